/* SPDX-License-Identifier: MIT */
/* Linked to another program: makes it one that processes of its own user may not trace. */
#include <sys/prctl.h>

static __attribute__((constructor)) void refuse_tracing(void)
{
    prctl(PR_SET_DUMPABLE, 0);
}
