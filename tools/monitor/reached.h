/* SPDX-License-Identifier: MIT */
/* Signals to the run that the program got as well. Async-signal-safe. */
#ifndef RACEWATCH_TOOLS_MONITOR_REACHED_H
#define RACEWATCH_TOOLS_MONITOR_REACHED_H

#include <signal.h>
#include <stdbool.h>

/* From the terminal it has: the whole foreground process group gets it, but of a hangup only the session's
 * leader learns (tty_signal_session_leader, drivers/tty/tty_jobctrl.c), and that may be us. */
bool rw_signal_has_reached_program(const siginfo_t *info);

#endif
