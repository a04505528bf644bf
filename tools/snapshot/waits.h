/* SPDX-License-Identifier: MIT */
/*
 * What a thread waits for, by the system call it is blocked in, what the recording said, and its stack. For
 * this folder.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_WAITS_H
#define RACEWATCH_TOOLS_SNAPSHOT_WAITS_H

#include "shim/recording.h"
#include "tools/incident/incident.h"
#include "tools/snapshot/image.h"
#include "tools/snapshot/proc.h"

struct rw_reader;

struct rw_wait_look {
    struct rw_incident *incident;
    struct rw_process_info *process; /* all its threads are there, with is_alive right */
    struct rw_image *image;
    struct rw_reader *reader; /* may be NULL */
    unsigned *patience_ms;    /* for all threads together, beyond what each one has */
};

/* Sets thread->waits_on from `call` (what the thread is in now). A recorded wait is kept where the call
 * agrees with it, its owner read anew; else it is replaced, or removed where the thread does not wait. `slot`
 * is the thread's in the recording, NULL if it has none. thread->native is used where the recording knows
 * nothing. */
void rw_wait_fill(const struct rw_wait_look *look, struct rw_thread *thread,
                  const struct rw_proc_syscall *call, const struct rw_slot *slot);

#endif
