/* SPDX-License-Identifier: MIT */
/* What can be said where every look went wrong: that something was to be looked at, and why it was not. */
#ifndef RACEWATCH_TOOLS_MONITOR_BARE_INCIDENT_H
#define RACEWATCH_TOOLS_MONITOR_BARE_INCIDENT_H

#include "tools/incident/incident.h"
#include "tools/monitor/triggers.h"
#include "tools/monitor/watch.h"

/* A talloc child of `parent`, with the verdict `unknown`. */
struct rw_incident *rw_bare_incident(void *parent, const struct rw_watch *watch, const struct rw_want *want,
                                     const char *command, uint64_t now_ns);

#endif
