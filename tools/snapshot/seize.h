/* SPDX-License-Identifier: MIT */
/*
 * Stopping a thread for as long as it takes to copy its registers and the top of its stack. For this folder.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_SEIZE_H
#define RACEWATCH_TOOLS_SNAPSHOT_SEIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/snapshot/proc.h"
#include "tools/snapshot/unwind.h"

#define RW_STACK_COPY_MAX (64u << 10)
#define RW_RED_ZONE 128u /* bytes below the stack pointer that a leaf function may use */

struct rw_copy {
    int tid;            /* set by the caller, as are the next two */
    int cpu;            /* where it ran last, -1 if not known */
    uint64_t stack_end; /* of the mapping that holds the stack, 0 if not known */
    int error;          /* 0; -EPERM refused; -ESRCH gone; -ETIMEDOUT it did not stop; -ENOTSUP 32-bit code */
    double stopped_us;  /* from when it could stop to its release */
    struct rw_stack stack;       /* bytes are the copy's own */
    struct rw_proc_syscall call; /* what it was blocked in: number -2 if it was not */
    bool was_restarted; /* a call that would have returned EINTR because of the stop was made to go on */
};

/* Copies threads one after the other, each stopped for some tens of microseconds, waiting at most timeout_ms
 * for each to stop. Blocks meanwhile. 0, or a negative errno when no tracing could be started at all; what
 * became of each thread is in its `error`. */
int rw_seize_copy(struct rw_copy *copies, size_t count, unsigned timeout_ms);

void rw_copies_free(struct rw_copy *copies, size_t count);

#endif
