/* SPDX-License-Identifier: MIT */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_LIBC_LOCKS_H
#define RACEWATCH_TOOLS_SNAPSHOT_LIBC_LOCKS_H

#include "tools/incident/incident.h"

/* Which of the C library's own locks the thread waits for, by the library's functions that are innermost on
 * its stack: "setenv's lock of the environment (libc)". Static; NULL where they tell nothing. For this
 * folder. */
const char *rw_libc_lock_name(const struct rw_thread *thread);

/* The frame of the same lock's functions, further out than code that is not libc's: the thread was in it when
 * a signal's handler, or a function that libc calls, came to ask for the lock again. NULL if there is none.
 */
const struct rw_frame *rw_libc_lock_taken_before(const struct rw_thread *thread, const char *name);

/* It is that of a stdio stream. */
bool rw_libc_lock_is_stream(const struct rw_thread *thread);

#endif
