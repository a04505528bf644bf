/* SPDX-License-Identifier: MIT */
/*
 * What the arguments of some calls say of a wait: which file is being opened, which signals are waited for.
 * For this folder; the thread's wait is there already, and is what gets the name.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_WAIT_CALLS_H
#define RACEWATCH_TOOLS_SNAPSHOT_WAIT_CALLS_H

#include "tools/snapshot/waits.h"

/* "/tmp/queue for reading"; of a FIFO whose other end nobody has opened, a channel whose note says so. */
void rw_wait_for_open(const struct rw_wait_look *look, struct rw_thread *thread,
                      const struct rw_proc_syscall *call);

/* "SIGUSR1", "SIGINT or SIGTERM", "any of 5 signals": what sigwait() and its like wait for. Nothing for other
 * calls. */
void rw_wait_for_signals(const struct rw_wait_look *look, struct rw_thread *thread,
                         const struct rw_proc_syscall *call);

#endif
