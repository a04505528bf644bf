/* SPDX-License-Identifier: MIT */
/*
 * A wait that is about to block, and its end. Internal to shim/; any thread, also in signal handlers. The
 * scope lives on the stack of the wrapper; waits nest where a signal handler waits during a wait.
 */
#ifndef RACEWATCH_SHIM_WAIT_H
#define RACEWATCH_SHIM_WAIT_H

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

/* For pthread_cleanup_push: the wait was cancelled. */
void rw_wait_cancelled(void *scope);

/* Copies the registers and as much of the stack of the current thread as `copy` has room for. */
void rw_capture_into(struct rw_self *self, struct rw_capture *capture, unsigned char *copy, size_t size,
                     uint64_t now);

/* The same into its slot. */
void rw_capture_wait(struct rw_self *self, uint64_t now);

#endif
