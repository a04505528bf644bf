/* SPDX-License-Identifier: MIT */
/*
 * Owners by the `with` and `async with` blocks that are open: a frame that is inside `with lock:` has it,
 * unless something in it let go of the lock for a while, as Condition.wait does. Internal to tools/cpython/.
 */
#ifndef RACEWATCH_TOOLS_CPYTHON_WITH_BLOCKS_H
#define RACEWATCH_TOOLS_CPYTHON_WITH_BLOCKS_H

#include "tools/cpython/python.h"

/* One of them, or a place inside it that let go of the lock. Of each thread, and of each task that is on
 * none, the innermost comes first. */
struct rw_py_with {
    int tid;       /* 0: of a task */
    uint64_t task; /* object */
    uint64_t lock; /* object */
    const char *file;
    int line; /* of the `with`; 0 if not known */
    bool is_let_go;
};

/* All open blocks on locks, of all threads, into py. */
void rw_py_find_withs(struct rw_python *py);

/* Those of one frame; `whose` says whose they are. Adds them behind those that are there. */
void rw_py_add_withs(struct rw_python *py, const struct rw_py_frame *frame, struct rw_py_with whose);

/* "file:line" of a block, under the incident. */
const char *rw_py_with_place(struct rw_python *py, const struct rw_py_with *block);

/* "file:line" of the innermost open block on `lock` (or on a Condition of it) of a thread, under the
 * incident; NULL if there is none. A frame that still waits to enter its block is not in it. */
const char *rw_py_with_block(struct rw_python *py, int tid, uint64_t lock);

#endif
