/* SPDX-License-Identifier: MIT */
/* What tests left behind when they ended, as an incident shows it. */
#ifndef RACEWATCH_TOOLS_INCIDENT_LEFT_H
#define RACEWATCH_TOOLS_INCIDENT_LEFT_H

#include "tools/incident/incident.h"

/* "thread 'w'", "2 threads 'a', 'b' and interpreter 1": what is still there of what that test made, in all
 * processes. NULL if there is nothing, or the test still runs. A talloc child of `parent`. */
char *rw_left_words(void *parent, const struct rw_incident *incident, const char *test);

#endif
