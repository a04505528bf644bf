/* SPDX-License-Identifier: MIT */
/* What a coroutine awaits, and what awaits that: chains of suspended frames. Internal to tools/cpython/. */
#ifndef RACEWATCH_TOOLS_CPYTHON_COROUTINES_H
#define RACEWATCH_TOOLS_CPYTHON_COROUTINES_H

#include "tools/cpython/python.h"

#define RW_PY_CHAIN_MAX 1000u /* awaits inside each other; recursion is bounded to as many */

enum rw_py_progress { RW_PY_GONE = 0, RW_PY_NEW, RW_PY_SUSPENDED, RW_PY_EXECUTING };

struct rw_py_chain {
    struct rw_py_frame *frames; /* outermost first; under scratch */
    size_t count;
    enum rw_py_progress progress; /* of the outermost */
    uint64_t awaits; /* the object at the inner end that is no coroutine; 0 where it cannot be told */
};

/* The chain that begins with this coroutine, generator or async generator. with_slots: its frames' locals and
 * value stacks, too. */
struct rw_py_chain rw_py_await_chain(struct rw_python *py, uint64_t object, int64_t interpreter_id,
                                     bool with_slots);

/* Whether it is one of these three. */
bool rw_py_is_coroutine(struct rw_python *py, uint64_t object);

/* Address of its frame, which is on a thread's stack while it executes; 0 where it has none any more. */
uint64_t rw_py_coroutine_frame(struct rw_python *py, uint64_t object);

#endif
