/* SPDX-License-Identifier: MIT */
/* Which lock object a thread is blocked in. Internal to tools/cpython/. */
#ifndef RACEWATCH_TOOLS_CPYTHON_LOCK_OBJECT_H
#define RACEWATCH_TOOLS_CPYTHON_LOCK_OBJECT_H

#include "tools/cpython/python.h"

struct rw_py_lock_object {
    uint64_t address; /* of the Python object; 0: none was found */
    const char *kind; /* of rw_wait_on: "lock", "rlock", "queue", "python-semaphore" */
    const char *call;
    uint64_t semaphore; /* the lock's own sem_t, up to 3.13.0; else 0 */
};

/* The object among what the innermost frame holds whose lock is the one that `address`, a semaphore in which
 * the thread is blocked, stands for. */
struct rw_py_lock_object rw_py_lock_object(struct rw_python *py, const struct rw_py_frame *frame,
                                           uint64_t address);

/* The thread whose end is waited for in a wait at `semaphore` (3.13+: the thread's own record of it), by its
 * pthread_t, 0 where it is no such wait. The caller checks that there is such a thread. */
uint64_t rw_py_joined_pthread(struct rw_python *py, uint64_t semaphore);

/* The pthread_t in an RLock's owner field; 0: nobody. */
uint64_t rw_py_rlock_owner(struct rw_python *py, uint64_t object);

#endif
