/* SPDX-License-Identifier: MIT */
/* The evaluation loops on a thread's native stack. Internal to tools/cpython/. */
#ifndef RACEWATCH_TOOLS_CPYTHON_LOOPS_H
#define RACEWATCH_TOOLS_CPYTHON_LOOPS_H

#include "tools/cpython/python.h"

struct rw_py_loop {
    int index;     /* into native[] */
    uint64_t from; /* where the native frame of the next inner loop begins: what this one keeps was saved
                      above it, */
    uint64_t cfa;  /* and below its own canonical address */
};

struct rw_py_loops {
    struct rw_py_loop *items; /* innermost first; a talloc array under scratch */
    size_t count;
    uint64_t begin; /* the part of the stack that they are in, as it is now; NULL until rw_py_loops_read */
    uint64_t *words;
    size_t standing; /* the first of those that are called from where they were when the stack was copied */
};

/* The innermost native frame up to which, from the outermost one inwards, calls still return to where they
 * did when the stack was copied: the native frames are of then, what was read later may be of a thread that
 * has gone on, and belongs to these frames alone. `words` are what the stack holds now from `begin` to `end`,
 * in which native[outermost] lies; frames outside of that one are not asked. native_count: none. */
size_t rw_py_first_standing(const struct rw_thread *thread, size_t outermost, const uint64_t *words,
                            uint64_t begin, uint64_t end);

/* By what symbols say. */
struct rw_py_loops rw_py_find_loops(struct rw_python *py, const struct rw_thread *thread);

/* Reads the stack that they are in; false where that cannot be. */
bool rw_py_loops_read(struct rw_python *py, const struct rw_thread *thread, struct rw_py_loops *loops);

/* Whether the neighbouring loops from `first` on still stand and keep these frames, one each, in their order:
 * up to 3.10 each loop runs one frame, and keeps its address in its native frame, or in a register that a
 * function inside of it has saved. */
bool rw_py_loops_keep(const struct rw_py_loops *loops, size_t first, const struct rw_py_frame *frames,
                      size_t count);

void rw_py_loops_free(struct rw_py_loops *loops);

#endif
