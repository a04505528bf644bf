/* SPDX-License-Identifier: MIT */
/* Waits for the GIL. Internal to tools/cpython/. */
#ifndef RACEWATCH_TOOLS_CPYTHON_GIL_WAIT_H
#define RACEWATCH_TOOLS_CPYTHON_GIL_WAIT_H

#include "tools/cpython/python.h"

void rw_py_set_owner(struct rw_python *py, struct rw_wait_on *wait, int tid, enum rw_certainty certainty,
                     const char *how);

/* If the thread waits for a condition of a GIL, that wait becomes one for the GIL, with its holder. */
bool rw_py_refine_gil(struct rw_python *py, struct rw_thread *thread);

/* Gives back their waits to threads that asked for a GIL, were woken, and have not had a processor since. */
void rw_py_find_woken(struct rw_python *py);

#endif
