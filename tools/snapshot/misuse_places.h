/* SPDX-License-Identifier: MIT */
/* Where misuses were done, and what the locks are called. */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_MISUSE_PLACES_H
#define RACEWATCH_TOOLS_SNAPSHOT_MISUSE_PLACES_H

#include "tools/incident/incident.h"

struct rw_symbols;

/* Sets `where`, `other_where` and `variable` of the process's misuses, as far as the symbols know. */
void rw_fill_misuse_places(struct rw_incident *incident, struct rw_process_info *process,
                           struct rw_symbols *symbols);

#endif
