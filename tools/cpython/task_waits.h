/* SPDX-License-Identifier: MIT */
/*
 * What asyncio's tasks wait for, in asyncio's words, and which task has it. asyncio's locks do not say who
 * took them: whoever is inside an `async with` block on one has it. Internal to tools/cpython/.
 */
#ifndef RACEWATCH_TOOLS_CPYTHON_TASK_WAITS_H
#define RACEWATCH_TOOLS_CPYTHON_TASK_WAITS_H

#include "tools/cpython/coroutines.h"

struct rw_py_task_wait {
    const char *words; /* "lock `a`"; belongs to the incident */
    uint64_t object;
    bool is_lock; /* somebody has it */
};

/* Of a chain that was read with its slots. False: it waits for nothing of asyncio's that has a name. */
bool rw_py_task_wait(struct rw_python *py, const struct rw_py_chain *chain, struct rw_py_task_wait *wait);

/* The tasks that have locks, by the blocks of all tasks' chains. */
struct rw_py_task_owner {
    uint64_t lock;
    uint64_t task;  /* 0: several tasks have an open block on it, of which one has let go of it */
    const char *at; /* "file:line" of the block */
};

struct rw_py_task_owners {
    struct rw_py_task_owner *items; /* in the order of their locks; under scratch */
    size_t count;
};

/* Adds the open blocks of one task's chain to py. */
void rw_py_add_task_withs(struct rw_python *py, const struct rw_py_chain *chain, uint64_t task);
/* Once those of all tasks are there. */
struct rw_py_task_owners rw_py_task_owners(struct rw_python *py);
/* NULL: nobody is known to have it. */
const struct rw_py_task_owner *rw_py_task_owner(const struct rw_py_task_owners *owners, uint64_t lock);

#endif
