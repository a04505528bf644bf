/* SPDX-License-Identifier: MIT */
/*
 * Lines of Python code as points at which a schedule is bent: what the interpreter hooks, which see the
 * lines, ask of the ways to bend. Internal to shim/. In the target, in the thread that is at the line, with
 * its interpreter's lock (or attached, where there is none); not in signal handlers.
 */
#ifndef RACEWATCH_SHIM_LINE_POINT_H
#define RACEWATCH_SHIM_LINE_POINT_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/schedule.h"

/* Whether any line is to be seen in this process. */
bool rw_line_is_wanted(void);

/* A number for a function of the program's, given once for each. */
uint32_t rw_line_source(const char *file, const char *function);

/* The thread is at a line. True: it is to give the interpreter's lock up, to call rw_line_left(), and to take
 * the lock again. */
bool rw_line_comes(uint32_t source, uint32_t line);
void rw_line_left(void);

/* How lines are seen, once it is known; and that the program set a trace function of its own, which goes
 * before. */
void rw_line_seen_by(enum rw_schedule_lines lines);
void rw_line_displaced(void);

#endif
