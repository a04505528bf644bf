/* SPDX-License-Identifier: MIT */
/*
 * Who took which of Python's locks: struct rw_lock of the recording. In the target only; lock-free, any
 * thread, not in signal handlers; none of these allocates, blocks or changes errno. Where recordings have no
 * table of locks nothing here may be called but rw_lock_table_is_on().
 */
#ifndef RACEWATCH_SHIM_LOCK_TABLE_H
#define RACEWATCH_SHIM_LOCK_TABLE_H

#include <stdbool.h>
#include <stdint.h>

/* The option lock_owners, and a recording. */
bool rw_lock_table_is_on(void);

/* The calling thread took the lock, in `code` at `instruction` (as struct rw_lock has them; 0: not known). */
void rw_lock_taken(const void *lock, uint64_t code, uint64_t instruction);

/* Before it is released: afterwards another thread may have it. */
void rw_lock_given(const void *lock);

/* Around a call that takes the lock: a semaphore that the thread blocks on in between is recorded as a wait
 * for it. `begins` returns what `ends` needs; the calls nest, and what was left by a jump is put right by the
 * next. */
const void *rw_lock_acquire_begins(const void *lock);
void rw_lock_acquire_ends(const void *outer);

#endif
