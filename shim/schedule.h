/* SPDX-License-Identifier: MIT */
/*
 * What serial mode decided: PID-CREATED.schedule beside the recording, written as it is decided.
 * `racewatch run --replay` gives such a file to the shim again. Holds
 *     struct rw_schedule_header
 *     struct rw_schedule_thread [thread_count]
 *     struct rw_schedule_switch [switch_count]   in the order in which they happened
 *
 * A thread goes on while it can, and else the one of those that can that was made first runs next. What the
 * file lists are the points at which it was otherwise.
 *
 * Part of the contract between the shim and tools/, as recording.h is: readers treat every byte as hostile.
 */
#ifndef RACEWATCH_SHIM_SCHEDULE_H
#define RACEWATCH_SHIM_SCHEDULE_H

#include <stdint.h>

#define RW_SCHEDULE_MAGIC UINT64_C(0x31444853574b4352) /* "RCKWSHD1", little endian */
#define RW_SCHEDULE_THREAD_MAX 256u
#define RW_SCHEDULE_SWITCH_MAX 131072u

struct rw_schedule_thread {
    uint64_t path; /* its place in the tree of creation, the same in each run */
    int32_t tid;
    uint32_t parent; /* index in this table; its own for the main thread */
};

struct rw_schedule_switch {
    uint32_t from, to;       /* index in the table of threads */
    uint32_t point;          /* of `from`: how many points it had come to, this one included */
    uint32_t check;          /* of all decisions before this one; 0: not to be compared */
    uint64_t return_address; /* of the call that `from` made */
    uint32_t was_able;       /* 1 if `from` could have gone on: a preemption */
    uint32_t reserved;
};

struct rw_schedule_header {
    uint64_t magic;
    uint32_t header_size, thread_size, switch_size;
    int32_t pid;
    uint64_t seed;
    uint64_t place;     /* of the process in the tree of creation, the same in each run */
    uint64_t hash;      /* of all decisions so far: two runs with the same one went the same way */
    uint64_t decisions; /* points at which more than one thread could run */
    uint64_t points;
    uint64_t
        takeovers; /* times a thread waited or spun where the mode does not see: what followed may differ */
    uint32_t thread_count, switch_count;
    uint32_t is_cut; /* 1: there were more switches than the file holds */
    /* A run that replays another one's file: where they differ for the first time. All 0: nowhere. */
    uint32_t has_diverged;
    uint64_t diverged_step;
    uint32_t diverged_thread, expected_thread;
    uint64_t diverged_return_address, expected_return_address;
    char executable[256];
};

#endif
