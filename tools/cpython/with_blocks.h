/* SPDX-License-Identifier: MIT */
/*
 * Owners by the `with` blocks that are open: a frame that is inside `with lock:` has it, unless something in it let go of
 * the lock for a while, as Condition.wait does. Internal to tools/cpython/.
 */
#ifndef RACEWATCH_TOOLS_CPYTHON_WITH_BLOCKS_H
#define RACEWATCH_TOOLS_CPYTHON_WITH_BLOCKS_H

#include "tools/cpython/python.h"

/* "file:line" of the innermost open `with` block on `lock` (or on a Condition of it) of a thread, under the incident;
 * NULL if there is none. A frame that still waits to enter its block is not in it. */
const char *rw_py_with_block(struct rw_python *py, const struct rw_py_stack *stack, uint64_t lock);

#endif
