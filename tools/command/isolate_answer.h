/* SPDX-License-Identifier: MIT */
/* The tries one after the other, and what they tell. */
#ifndef RACEWATCH_TOOLS_COMMAND_ISOLATE_ANSWER_H
#define RACEWATCH_TOOLS_COMMAND_ISOLATE_ANSWER_H

#include "tools/command/isolate.h"

/* Prints the answer on stdout. *status: 0 if there is one, else 1. 0, -ETIME with what was known by then
 * printed, or another negative errno with *why. */
int rw_isolate_answer(struct isolate *isolate, int *status, char **why);

#endif
