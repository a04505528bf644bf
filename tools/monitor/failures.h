/* SPDX-License-Identifier: MIT */
/*
 * Watched processes that ended badly: killed, crashed, or exited with a status that is not 0. A worker that
 * died with what it was to do is what its parent waits for in vain, and nothing in the parent tells of it.
 *
 * For the monitor alone, single-threaded. Memory that runs out ends it by abort(), as in all that it builds.
 */
#ifndef RACEWATCH_TOOLS_MONITOR_FAILURES_H
#define RACEWATCH_TOOLS_MONITOR_FAILURES_H

#include <stdint.h>

#include "tools/incident/incident.h"
#include "tools/monitor/watch.h"

struct rw_failures;

/* A talloc object. */
struct rw_failures *rw_failures_new(void *parent);

/* Call it once for each image that is over, before it is forgotten. Keeps the last 64 that ended badly. */
void rw_failures_note(struct rw_failures *failures, const struct rw_watched *watched, uint64_t now_ns);

/* Tells each process of the incident of its children among them. `failures` may be NULL. */
void rw_failures_fill(const struct rw_failures *failures, struct rw_incident *incident);

#endif
