/* SPDX-License-Identifier: MIT */
/*
 * One readable stack of a thread's two: Python frames stand where the evaluation loops are that run them.
 * Internal to tools/report.
 */
#ifndef RACEWATCH_TOOLS_REPORT_STACK_H
#define RACEWATCH_TOOLS_REPORT_STACK_H

#include "tools/incident/incident.h"

/* The lines, innermost first, without indentation: children of `ctx`. racewatch's own frames are left out,
 * and so are those below the first Python frame that only show how Python calls Python. */
size_t rw_stack_lines(void *ctx, const struct rw_thread *thread, char ***lines);

#endif
