/* SPDX-License-Identifier: MIT */
/* The table of lock orders of a recording, with the stacks in it. */
#ifndef RACEWATCH_TOOLS_POSTMORTEM_LOCK_EDGES_H
#define RACEWATCH_TOOLS_POSTMORTEM_LOCK_EDGES_H

#include "tools/incident/incident.h"

struct rw_image;
struct rw_reader;

/* Adds them to the process. `image` NULL: without names and stacks. */
void rw_fill_lock_edges(struct rw_incident *incident, struct rw_process_info *process,
                        struct rw_reader *reader, struct rw_image *image);

#endif
