/* SPDX-License-Identifier: MIT */
/*
 * What many threads have in common is written once. Ten thousand workers that wait at one place have one
 * stack, and five hundred processes that share a piece of memory are one list of holders, told of five
 * hundred waits: written out each time, the one makes incident.json large, and the other makes it grow with
 * the square of the processes. Where little is repeated, nothing is folded, so that a small incident.json
 * needs no resolving.
 */
#ifndef RACEWATCH_TOOLS_INCIDENT_FOLD_H
#define RACEWATCH_TOOLS_INCIDENT_FOLD_H

#include "tools/incident/incident.h"

/* Processes of more threads than this have equal stacks folded, and lists of more holders are. */
#define RW_FOLD_THREADS 256u
#define RW_FOLD_HOLDERS 16u

/* Before an incident is written down: sets native_as, python_as and holders_as, and leaves the arrays as they
 * are. */
void rw_incident_fold(struct rw_incident *incident);

/* After it was read: fills the arrays that were left out. What leads nowhere stays empty, and a channel of
 * that sort is complete no more. */
void rw_incident_unfold(struct rw_incident *incident);

#endif
