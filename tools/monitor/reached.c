/* SPDX-License-Identifier: MIT */
#include "tools/monitor/reached.h"

#include <unistd.h>

bool rw_signal_has_reached_program(const siginfo_t *info)
{
    return info->si_code == SI_KERNEL && !(info->si_signo == SIGHUP && getsid(0) == getpid());
}
