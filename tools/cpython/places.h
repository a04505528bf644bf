/* SPDX-License-Identifier: MIT */
/*
 * The places in Python's own library where threads wait: what a wait on a lock means there. Internal to
 * tools/cpython/.
 */
#ifndef RACEWATCH_TOOLS_CPYTHON_PLACES_H
#define RACEWATCH_TOOLS_CPYTHON_PLACES_H

#include "tools/cpython/python.h"

struct rw_py_place {
    const char *kind; /* of rw_wait_on; NULL: no place that is known, the lock itself is waited for */
    const char *call; /* "Queue.get" */
    uint64_t object;  /* the Queue, Event, Thread, ...; 0 where the function has none */
    size_t
        user_frame; /* index of the first frame that is no library code; the stack's count if there is none */
};

/* What the innermost frame of this stack waits for, being blocked in a lock. `lock`: that lock's object, 0
 * where no object was found. */
struct rw_py_place rw_py_place_of(struct rw_python *py, const struct rw_py_stack *stack, uint64_t lock);

#endif
