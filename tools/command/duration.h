/* SPDX-License-Identifier: MIT */
/* A length of time as people give it to a flag. */
#ifndef RACEWATCH_TOOLS_COMMAND_DURATION_H
#define RACEWATCH_TOOLS_COMMAND_DURATION_H

#include <stdbool.h>

/* "90", "90s", "10m", "2h" in seconds. False: it is none. */
bool rw_parse_duration(const char *text, double *seconds);

#endif
