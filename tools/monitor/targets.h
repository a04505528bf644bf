/* SPDX-License-Identifier: MIT */
/*
 * Which processes a look takes in, and in which order: the stuck one first, then those of the circle that the
 * recordings tell of, then those in which somebody waits, the longest still before the others.
 */
#ifndef RACEWATCH_TOOLS_MONITOR_TARGETS_H
#define RACEWATCH_TOOLS_MONITOR_TARGETS_H

#include "tools/monitor/capture.h"
#include "tools/monitor/triggers.h"
#include "tools/monitor/watch.h"

/* Processes in one look: a bound on its time and on an incident's size. One of C takes 2 ms, one of Python 5.
 */
#define RW_TARGETS_MAX 1024

struct rw_targets {
    struct rw_capture_target items[RW_TARGETS_MAX];
    size_t count;
    size_t threads;  /* that the recordings tell of, those that ended included */
    size_t left_out; /* living processes that found no room */
};

/* Their readers and paths are the watch's: good until it is updated. An early look, which is about the frames
 * of one process, leaves the others alone. */
void rw_targets_choose(struct rw_targets *targets, const struct rw_watch *watch, const struct rw_want *want);

#endif
