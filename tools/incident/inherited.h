/* SPDX-License-Identifier: MIT */
/* Locks that a fork left behind, and who has them. */
#ifndef RACEWATCH_TOOLS_INCIDENT_INHERITED_H
#define RACEWATCH_TOOLS_INCIDENT_INHERITED_H

#include "tools/incident/incident.h"

/* The owner of a lock in a forked process that is known by its pthread_t alone: the thread of the process
 * that forked which has it. For an incident whose processes are all filled. */
void rw_find_inherited_owners(struct rw_incident *incident);

#endif
