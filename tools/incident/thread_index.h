/* SPDX-License-Identifier: MIT */
/*
 * Threads of a process by their TIDs, where there may be ten thousand of them and each has a creator and an
 * owner of what it waits for. Internal to tools/incident.
 */
#ifndef RACEWATCH_TOOLS_INCIDENT_THREAD_INDEX_H
#define RACEWATCH_TOOLS_INCIDENT_THREAD_INDEX_H

#include "tools/incident/incident.h"

/* An empty index, a talloc child of `incident`. It learns of threads as they are asked for. */
struct rw_thread_index *rw_thread_index_new(struct rw_incident *incident);

/* One for each process that has none yet: of an incident that was read. */
void rw_incident_index_threads(struct rw_incident *incident);

/* The position of the thread in process->threads, or SIZE_MAX. process->index may be NULL: then all are
 * looked at. */
size_t rw_thread_index_find(const struct rw_process_info *process, int tid);

#endif
