/* SPDX-License-Identifier: MIT */
/*
 * A file of choices that are to be made again (`racewatch run --replay`), which may be anybody's.
 */
#ifndef RACEWATCH_SHIM_SCHEDULE_GIVEN_H
#define RACEWATCH_SHIM_SCHEDULE_GIVEN_H

#include "shim/schedule.h"

struct rw_schedule_given {
    const struct rw_schedule_header *header;
    const struct rw_schedule_thread *threads;
    const struct rw_schedule_switch *switches;
    uint32_t thread_count, switch_count; /* of those that are there; what is in them is not checked */
    uint64_t size;                       /* bytes mapped at `header` */
};

/* Copies the file: one that is cut or written anew meanwhile, as by the next try of a hunt, must not be felt.
 * In the constructor. 0 or a negative errno: -EINVAL for what is no such file. The memory is kept for good.
 */
int rw_schedule_given(const char *path, struct rw_schedule_given *given);

#endif
