/* SPDX-License-Identifier: MIT */
/*
 * CPython's waits for the GIL. Python code is interrupted only where another thread has waited for the GIL
 * for 5 ms and asks for it, so most of what could happen between two lines never does. Where schedules are
 * bent by delays, a waiter asks sooner: at once, or after 5 us to 1 ms; and now and then it stays away for a
 * while, so that others come first. Who got the GIL that way waits before it goes on until the other one has
 * asked for it again, which takes a context switch: so threads can alternate at every jump and call of their
 * code. It needs no trace function, which would displace coverage's. Internal to shim/.
 */
#ifndef RACEWATCH_SHIM_PERTURB_GIL_H
#define RACEWATCH_SHIM_PERTURB_GIL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "shim/perturb.h"

/* In the constructor. */
void rw_gil_begin(void);

/* Before a timed wait on a condition, with its mutex held. If it is a wait for the GIL, *deadline may come to
 * point to an earlier one, in *sooner. True: the wait has taken place, with the mutex given back meanwhile,
 * and ends as by a spurious wake-up. */
bool rw_gil_wait_bent(pthread_mutex_t *mutex, const struct timespec **deadline, struct timespec *sooner,
                      clockid_t clock, const void *return_address);

/* By a thread that has just made or woken another one, with the GIL held: waits until that one has come to
 * wait for the GIL, so that it gets it before this thread has gone far. */
void rw_gil_let_come(void);

/* By a thread that is about to block elsewhere: it comes not for the GIL, and nobody is to wait for that. */
void rw_gil_left(void);

static inline bool rw_gil_wait(pthread_mutex_t *mutex, const struct timespec **deadline,
                               struct timespec *sooner, clockid_t clock, const void *return_address)
{
    return __builtin_expect(rw_perturb_mode == RW_PERTURB_DELAY, 0) &&
           rw_gil_wait_bent(mutex, deadline, sooner, clock, return_address);
}

#endif
