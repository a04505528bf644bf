/* SPDX-License-Identifier: MIT */
/* One walk over the frames of a thread state; frames.c decides what of it to believe. Internal to
 * tools/cpython/. */
#ifndef RACEWATCH_TOOLS_CPYTHON_WALK_H
#define RACEWATCH_TOOLS_CPYTHON_WALK_H

#include "tools/cpython/python.h"

/* The frames as they are now, innermost first, an array under scratch; `code` is left NULL and `at` 0.
 * with_slots: also what frames hold, of those whose code is known (rw_py_code_known). *ran (NULL: not asked):
 * the thread called or returned meanwhile. 0, or -EAGAIN where the list broke off: its end could not be read,
 * or is no beginning of an evaluation loop. */
int rw_py_walk(struct rw_python *py, const struct rw_py_state *state, bool with_slots,
               struct rw_py_frame **frames, size_t *count, bool *ran);

#endif
