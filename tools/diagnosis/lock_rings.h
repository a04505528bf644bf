/* SPDX-License-Identifier: MIT */
/* Orders of locks that contradict each other. A pure function of the incident. */
#ifndef RACEWATCH_TOOLS_DIAGNOSIS_LOCK_RINGS_H
#define RACEWATCH_TOOLS_DIAGNOSIS_LOCK_RINGS_H

#include "tools/incident/incident.h"

#define RW_RING_MAX 5u /* edges of a ring */

/* A ring: each edge's second lock is the next one's first. */
typedef void rw_tell_ring(void *context, const struct rw_process_info *process,
                          const struct rw_lock_edge_info *const ring[], size_t length);

/* Calls `tell` for each ring of the process's lock orders, once for the same locks, eight times at most. */
void rw_lock_rings(const struct rw_process_info *process, rw_tell_ring *tell, void *context);

/* The line of the program's own that took the lock; else the call, as far as it has a name; NULL not known.
 * A talloc child of `context`, or part of the place. */
const char *rw_lock_place_words(void *context, const struct rw_lock_place *place);

#endif
