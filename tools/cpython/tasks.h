/* SPDX-License-Identifier: MIT */
/* Tasks of event loops, as their libraries keep them. Internal to tools/cpython/. */
#ifndef RACEWATCH_TOOLS_CPYTHON_TASKS_H
#define RACEWATCH_TOOLS_CPYTHON_TASKS_H

#include "tools/cpython/coroutines.h"

#define RW_PY_TASKS_MAX 10000u

struct rw_py_task {
    const char *library;
    uint64_t address;
    uint64_t coroutine;
    uint64_t name;         /* a str, or an int that is to follow "Task-" */
    uint64_t waiter;       /* the object that it waits for; 0: none, or not known */
    const char *cancelled; /* as in struct rw_task */
    int is_waiting;        /* 0: it will have its turn; -1 not known */
    uint64_t pthread;      /* of the thread that runs its loop; 0 not known */
    int64_t interpreter;
};

struct rw_py_tasks {
    struct rw_py_task *items; /* under scratch */
    size_t count;
    bool is_cut;        /* there are more than RW_PY_TASKS_MAX */
    bool is_unreadable; /* a library has tasks, but they could not be read */
};

/* Adds one, unless it is there already. */
void rw_py_add_task(struct rw_python *py, struct rw_py_tasks *tasks, const struct rw_py_task *task);

/* --- tasks_asyncio.c, tasks_trio.c: add all that they find. */
void rw_py_find_asyncio_tasks(struct rw_python *py, struct rw_py_tasks *tasks);
void rw_py_find_trio_tasks(struct rw_python *py, struct rw_py_tasks *tasks);

#endif
