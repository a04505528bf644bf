/* SPDX-License-Identifier: MIT */
/*
 * The names of threads that tests left behind. Up to 3.13 they are in Python's own memory alone, so that it
 * takes a look at the living process. It is taken beside the monitor, stops no thread, and once a second at
 * most.
 *
 * For the monitor alone, single-threaded.
 */
#ifndef RACEWATCH_TOOLS_MONITOR_THREAD_NAMES_H
#define RACEWATCH_TOOLS_MONITOR_THREAD_NAMES_H

#include <stdint.h>

#include "tools/monitor/accounts.h"
#include "tools/monitor/watch.h"

struct rw_thread_names;

/* A talloc object; destroying it ends the look that is under way. */
struct rw_thread_names *rw_thread_names_new(void *parent);

/* At each tick: gives the accounts the names that were found, and looks at the next image that wants names.
 */
void rw_thread_names_step(struct rw_thread_names *names, struct rw_watch *watch, struct rw_accounts *accounts,
                          uint64_t now_ns);

#endif
