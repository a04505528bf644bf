/* SPDX-License-Identifier: MIT */
/*
 * Bending a schedule by delays: at a call where threads meet, the calling thread sleeps a little, now and
 * then, so that another one comes first. Internal to shim/; any thread, also in signal handlers (where
 * nothing is delayed). No function changes errno, and none is a cancellation point.
 */
#ifndef RACEWATCH_SHIM_PERTURB_DELAY_H
#define RACEWATCH_SHIM_PERTURB_DELAY_H

#include <stdbool.h>

#include "shim/perturb.h"

enum rw_delay_kind {
    RW_DELAY_START = 0, /* a thread begins */
    RW_DELAY_CREATED,   /* it has made one */
    RW_DELAY_LOCK,      /* it is about to take a mutex or a read-write lock */
    RW_DELAY_UNLOCKED,  /* it has given one back */
    RW_DELAY_WAIT,      /* it is about to wait on a condition, with its mutex held */
    RW_DELAY_WOKEN,     /* that wait is over */
    RW_DELAY_TAKE,      /* it is about to take a semaphore, or to wait at a barrier */
    RW_DELAY_TAKEN,     /* it has waited for that */
    RW_DELAY_SIGNALLED, /* it has ended another's wait */
    RW_DELAY_JOIN,
    RW_DELAY_JOINED,
    RW_DELAY_FORK,
    RW_DELAY_INTERPRETER, /* it is about to make, destroy or finalise a Python interpreter, or has just done
                             so */
    RW_DELAY_EXIT,        /* the process is about to end */
    RW_DELAY_KINDS,
};

/* May sleep. `return_address` as elsewhere in the shim: of the wrapped call. */
void rw_delay_at(enum rw_delay_kind kind, const void *return_address);

static inline void rw_delay(enum rw_delay_kind kind, const void *return_address)
{
    if (__builtin_expect(rw_perturb_mode == RW_PERTURB_DELAY, 0))
        rw_delay_at(kind, return_address);
}

/* At a line of Python code. True: it is to sleep there, in rw_delay_at_line(), without its interpreter's
 * lock. */
bool rw_delay_is_due_at_line(void);
void rw_delay_at_line(void);

/* In a fork child: it may be on its way to an exec. It is let alone until it makes a thread. */
void rw_delay_forked(void);
/* This process makes a thread. */
void rw_delay_thread_made(void);

/* Whether `length_ns`, log-uniform from 50 us to 13 ms, may be slept now: the budget is there (and is then
 * charged), and nothing forbids it. For perturb_gil.c. */
bool rw_delay_may_sleep(uint64_t length_ns);
uint64_t rw_delay_length(struct rw_random *random);
/* Sleeps, or less if a signal comes. */
void rw_delay_sleep(uint64_t length_ns);

#endif
