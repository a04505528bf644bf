/* SPDX-License-Identifier: MIT */
/* What moved between two looks, and whether two looks show the same hang. Pure. */
#ifndef RACEWATCH_TOOLS_MONITOR_DELTAS_H
#define RACEWATCH_TOOLS_MONITOR_DELTAS_H

#include <stdbool.h>

#include "tools/incident/incident.h"

/* Fills cpu_delta_s, transitions_delta and moved of each thread that the look before knows, and leaves the
 * others alone. switches_delta stays what the snapshot made it. */
void rw_fill_deltas(struct rw_incident *incident, const struct rw_incident *before);

/* Whether the verdict of `now` is that of `before` and nothing in it has moved: the same class, the same
 * culprits, each of them still in the same wait. A wait for the GIL is a loop of short ones and counts as one
 * wait. */
bool rw_is_same_hang(const struct rw_incident *now, const struct rw_incident *before);

/* Names a hang: class, culprits, what they wait for, and the test. A talloc child of `parent`. */
char *rw_hang_key(void *parent, const struct rw_incident *incident, const struct rw_verdict *verdict);

#endif
