/* SPDX-License-Identifier: MIT */
/*
 * What is to be said in the end of a run in serial mode: where a replay went another way than its file, and
 * whose lines of Python code were no points. Read when a process is over, before its files go.
 */
#ifndef RACEWATCH_TOOLS_MONITOR_SCHEDULES_H
#define RACEWATCH_TOOLS_MONITOR_SCHEDULES_H

#include "tools/options/options.h"

struct rw_schedules;

/* A talloc child of `parent`. Does nothing, all along, where the options ask for another mode. */
struct rw_schedules *rw_schedules_new(void *parent, const struct rw_options *options);

/* A process is over, whose schedule this would be. */
void rw_schedules_note(struct rw_schedules *schedules, const char *path);

/* Lines for people, each with its end; "" for none. */
const char *rw_schedules_said(struct rw_schedules *schedules);

#endif
