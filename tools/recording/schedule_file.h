/* SPDX-License-Identifier: MIT */
/*
 * Files of serial mode's choices: shim/schedule.h. Read as recordings are: a regular file, copied, and no
 * number in it used before it was checked.
 */
#ifndef RACEWATCH_TOOLS_RECORDING_SCHEDULE_FILE_H
#define RACEWATCH_TOOLS_RECORDING_SCHEDULE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "shim/schedule.h"

struct rw_schedule {
    struct rw_schedule_header header; /* its counts are those of the arrays */
    struct rw_schedule_thread *threads;
    struct rw_schedule_source *sources;  /* their strings end */
    struct rw_schedule_switch *switches; /* their threads and sources exist */
};

/* 0, and a talloc child of `parent`; or a negative errno: -EINVAL for what is no such file. */
int rw_schedule_read(void *parent, const char *path, struct rw_schedule **out);

/* Writes a new file with the switches of these indexes only, in their order, which a replay does not check
 * against what happens between them. 0 or a negative errno. */
int rw_schedule_write(const struct rw_schedule *schedule, const size_t *kept, size_t count, const char *path);

#endif
