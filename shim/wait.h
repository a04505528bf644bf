/* SPDX-License-Identifier: MIT */
/*
 * A wait that is about to block, and its end. Internal to shim/; any thread, also in signal handlers. The
 * scope lives on the stack of the wrapper; waits nest where a signal handler waits during a wait.
 */
#ifndef RACEWATCH_SHIM_WAIT_H
#define RACEWATCH_SHIM_WAIT_H

#include <pthread.h>
#include <time.h>

#include "shim/self.h"

struct rw_wait_scope {
    struct rw_self *self; /* NULL: not recorded */
    uint32_t epoch;
    uint32_t outer_state;
    uint64_t outer_since;
    struct rw_wait outer_wait; /* filled only where outer_state is WAITING */
    uint64_t event;            /* which one of the ring of waits; UINT64_MAX: none */
};

/* `deadline` may be NULL; else it is a time of `clock`. */
void rw_wait_begin(struct rw_wait_scope *scope, enum rw_wait_kind kind, const volatile void *object,
                   uint64_t object2, const struct timespec *deadline, clockid_t clock,
                   const void *return_address);

/* `result` is what the call returns, or its errno. */
void rw_wait_end(struct rw_wait_scope *scope, int result);

/* For RW_UNWOUND: the wait was cancelled, or left by a jump. */
void rw_wait_cancelled(void *scope);

void _pthread_cleanup_push(struct _pthread_cleanup_buffer *buffer, void (*routine)(void *), void *argument);
void _pthread_cleanup_pop(struct _pthread_cleanup_buffer *buffer, int execute);

/* Makes the call, and calls the routine if it is cancelled. By the older kind of cleanup handler, which
 * glibc's own waits use (nptl/cleanup_compat.c): longjmp() runs it and forgets it. Of pthread_cleanup_push's
 * kind it knows nothing: a program that left a wait by a jump out of a signal handler would have, when it
 * ends the thread later, a handler in a frame that is gone. */
#define RW_UNWOUND(routine, argument, call)                                                                  \
    do {                                                                                                     \
        struct _pthread_cleanup_buffer buffer;                                                               \
        _pthread_cleanup_push(&buffer, routine, argument);                                                   \
        call;                                                                                                \
        _pthread_cleanup_pop(&buffer, 0);                                                                    \
    } while (0)

/* Copies the registers and as much of the stack of the current thread as `copy` has room for. */
void rw_capture_into(struct rw_self *self, struct rw_capture *capture, unsigned char *copy, size_t size,
                     uint64_t now);

/* The same into its slot. */
void rw_capture_wait(struct rw_self *self, uint64_t now);

#endif
