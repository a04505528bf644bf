/* SPDX-License-Identifier: MIT */
/*
 * Does it move? Cheap looks at a recording and at the process's CPU clock, ten times a second: nothing is
 * stopped, no signal is sent, a few small reads per process and thread.
 */
#ifndef RACEWATCH_TOOLS_MONITOR_PROGRESS_H
#define RACEWATCH_TOOLS_MONITOR_PROGRESS_H

#include "tools/monitor/watch.h"

/* Renews slots, test, progress, cpu_ns and moved_ns. 0; or a negative errno when the recording could not be
 * read, which changes nothing. */
int rw_progress_update(struct rw_watched *watched, uint64_t now_ns);

/* Nobody looked from `from_ns` to `now_ns` (the monitor was stopped, the machine slept): that time counts for
 * nothing. */
void rw_progress_skip(struct rw_watched *watched, uint64_t from_ns, uint64_t now_ns);

/* Stopped by a debugger or a signal (Ctrl-Z): it does not move, and is not stuck. */
bool rw_is_halted(int pid);

/* A thread that waits without a deadline of its own, since when it may be told. */
bool rw_is_blocked(const struct rw_slot_view *view);

#endif
