/* SPDX-License-Identifier: MIT */
/* Who has a lock, as the recording saw it taken. Internal to tools/cpython/. */
#ifndef RACEWATCH_TOOLS_CPYTHON_LOCK_OWNER_H
#define RACEWATCH_TOOLS_CPYTHON_LOCK_OWNER_H

#include "tools/cpython/lock_object.h"

struct rw_py_taken {
    int tid;        /* 0: the thread that took it is gone, and its number is another's now */
    const char *at; /* "file:line", NULL if not known; belongs to the incident */
};

/* False where the recording does not know, or where the lock is free: then what it knows is out of date. */
bool rw_py_recorded_owner(struct rw_python *py, const struct rw_py_lock_object *lock,
                          struct rw_py_taken *taken);

#endif
