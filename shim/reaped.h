/* SPDX-License-Identifier: MIT */
/*
 * Which threads were joined or detached lately, and by whom: what a second join needs to be told from a
 * first. In private memory; internal to shim/; any thread. A later thread with the same handle is known by
 * its slot, so that an entry that is too old harms nobody: who looks here has looked for a slot before.
 */
#ifndef RACEWATCH_SHIM_REAPED_H
#define RACEWATCH_SHIM_REAPED_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/self.h"

enum rw_reaped_how { RW_REAPED_JOINED = 1, RW_REAPED_DETACHED };

struct rw_reaped {
    uint64_t pthread;
    uint64_t time_ns;
    uint64_t return_address; /* of the join, the detach, or the creation as detached */
    int32_t tid;
    uint32_t how;                  /* enum rw_reaped_how */
    char name[RW_THREAD_NAME_MAX]; /* of that thread */
    uint32_t epoch;                /* of rw_live: a fork child has none of its parent's threads */
};

/* Between rw_enter() and rw_leave(). */
void rw_reaped_note(struct rw_self *self, uint64_t pthread, enum rw_reaped_how how,
                    const void *return_address);

/* A thread with that handle has come that has no slot. */
void rw_reaped_forget(uint64_t pthread);

/* False: not known. While the process is recorded. */
bool rw_reaped_find(uint64_t pthread, struct rw_reaped *found);

#endif
