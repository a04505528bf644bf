/* SPDX-License-Identifier: MIT */
/* Whether what a look saw is worth an incident, and how long one has to have waited for it. */
#ifndef RACEWATCH_TOOLS_MONITOR_WORTH_H
#define RACEWATCH_TOOLS_MONITOR_WORTH_H

#include <stdbool.h>

#include "tools/incident/incident.h"
#include "tools/monitor/triggers.h"
#include "tools/options/options.h"

/* What tells a circle that two looks confirm from the other verdicts: it needs no limit to have passed. */
bool rw_is_certain(const struct rw_options *options, const struct rw_incident *incident,
                   const struct rw_verdict *verdict);

/* The same of the incident's verdict, or of one in `also`, beside another that is not certain yet: that one
 * becomes the incident's verdict. */
bool rw_bring_certain_forward(const struct rw_options *options, struct rw_incident *incident);

/* Whether the last look is. `first`: the look before, NULL where there was none. */
bool rw_is_worth_telling(const struct rw_options *options, const struct rw_want *want,
                         const struct rw_incident *incident, const struct rw_incident *first);

#endif
