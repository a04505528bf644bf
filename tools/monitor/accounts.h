/* SPDX-License-Identifier: MIT */
/*
 * What the run's tests left behind, for index.json: taken from each recording's table as it fills, since that
 * remembers but the last ones, and from the processes that outlive the test in which they were started.
 *
 * For the monitor alone, single-threaded. Memory that runs out ends it by abort(), as in all that it builds.
 */
#ifndef RACEWATCH_TOOLS_MONITOR_ACCOUNTS_H
#define RACEWATCH_TOOLS_MONITOR_ACCOUNTS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/incident/incident.h"
#include "tools/monitor/watch.h"

struct rw_accounts;

/* A talloc object. */
struct rw_accounts *rw_accounts_new(void *parent, const struct rw_watch *watch);

/* Takes what tests have left that ended a moment ago or earlier. At each tick, for each living image. */
void rw_accounts_update(struct rw_accounts *accounts, struct rw_watched *watched, uint64_t now_ns);

/* The same for an image that is over, before it is forgotten: all there is. */
void rw_accounts_gone(struct rw_accounts *accounts, struct rw_watched *watched);

/* Threads have the names that an incident knows. */
void rw_accounts_name(struct rw_accounts *accounts, const struct rw_incident *incident);

/* How many tests left something, as far as is known now; and of how many of them it is not known what. */
size_t rw_accounts_count(struct rw_accounts *accounts);
size_t rw_accounts_lost(const struct rw_accounts *accounts);

/* index.json's "tests": a new reference. `run` is the run's name. */
json_t *rw_accounts_json(struct rw_accounts *accounts, const char *run, uint64_t now_ns);

#endif
