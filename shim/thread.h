/* SPDX-License-Identifier: MIT */
/* The life of threads, as the wrappers of pthread_* and thrd_* tell it. Internal to shim/. */
#ifndef RACEWATCH_SHIM_THREAD_H
#define RACEWATCH_SHIM_THREAD_H

#include "shim/slot.h"

/* The stack size of a thread that asks for none. */
extern size_t rw_default_stack_size;

/* By the creator, before: takes a slot and fills it. NULL: the thread goes unrecorded. */
struct rw_launch *rw_thread_prepare(uint64_t start_routine, bool is_detached, size_t stack_size,
                                    const void *return_address);
/* By the creator, after. `error` as pthread_create returns it. */
void rw_thread_created(struct rw_launch *launch, uint64_t pthread, int error, const void *return_address);

/* By the new thread, at its begin and its end. */
void rw_thread_started(struct rw_launch *launch);
void rw_thread_ended(bool is_by_exit);
/* The same for pthread_cleanup_push. */
void rw_thread_unwound(void *unused);

/* By whoever joins it, before and after; by whoever detaches it. `generation` tells a thread from a later one
 * with the same handle. */
void rw_thread_detached(struct rw_launch *launch);
void rw_thread_joined(struct rw_launch *launch, uint32_t generation);

#endif
