/* SPDX-License-Identifier: MIT */
/*
 * The other ends of what the threads of an incident wait on: which processes hold them, and whether those are
 * all. Called once, after every process of the incident has had its snapshot.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_PEERS_H
#define RACEWATCH_TOOLS_SNAPSHOT_PEERS_H

#include "tools/incident/incident.h"

/* Completes the channels of all waits, and reads the threads' context switches when nothing more will disturb
 * them. Costs nothing where no thread waits on a channel; else one walk over /proc's descriptors. Never
 * fails: a channel that could not be followed keeps is_complete 0 or -1, with a note. */
void rw_peers_fill(struct rw_incident *incident);

#endif
