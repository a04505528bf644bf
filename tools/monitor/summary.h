/* SPDX-License-Identifier: MIT */
/* A CI's summary page: the file that GITHUB_STEP_SUMMARY names. */
#ifndef RACEWATCH_TOOLS_MONITOR_SUMMARY_H
#define RACEWATCH_TOOLS_MONITOR_SUMMARY_H

#include <stddef.h>

#include "tools/incident/incident.h"

/* Appends the incident, where the variable is set. `before` is what this run has appended already; in all it
 * appends at most 64 KiB. The number of bytes appended; on any trouble, 0: a summary is never worth an error.
 */
size_t rw_summary_append(const struct rw_incident *incident, size_t before);

#endif
