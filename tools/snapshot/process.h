/* SPDX-License-Identifier: MIT */
/*
 * The snapshot of one living process: all its OS threads with what they wait for and their native stacks.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_PROCESS_H
#define RACEWATCH_TOOLS_SNAPSHOT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/incident/incident.h"
#include "tools/snapshot/image.h"

struct rw_reader;

struct rw_snapshot_options {
    bool native;                 /* take native stacks; false: no thread is stopped */
    unsigned stop_timeout_ms;    /* how long to wait for one thread to stop; 0: 200 */
    unsigned handler_timeout_ms; /* how long to wait for the shim's handler; 0: 50 */
};

#define RW_SNAPSHOT_OPTIONS_DEFAULT ((struct rw_snapshot_options){.native = true})

/* Fill `process`, which rw_recording_fill may have filled before, with what the OS knows: every thread's
 * comm, state, times, native stack and what it waits for, with owners. `process->pid` names the process;
 * `reader` may be NULL, `options` too. Each thread is stopped for some tens of microseconds, one after the
 * other, and none is left stopped, also when the caller is killed. A recorded wait survives only where it
 * agrees with the system call the thread is in now. Calls that a stop would make return EINTR (epoll_wait)
 * are restarted.
 *
 * Never fails as a whole: what could not be had is in the threads' stack_note and the process' notes. Returns
 * 0; -ESRCH where the process is gone (then is_alive is false and nothing else was changed); -ENOMEM. */
int rw_snapshot_process(struct rw_incident *incident, struct rw_process_info *process, struct rw_image *image,
                        struct rw_reader *reader, const struct rw_snapshot_options *options);

#endif
