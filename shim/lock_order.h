/* SPDX-License-Identifier: MIT */
/*
 * In which order threads take locks: with the option lock_order, each thread's held locks are known, and that
 * one was taken under another is written down once for each thread, set of further locks held, and stretch
 * between two creations or joins of threads. Whether orders contradict each other is found out later,
 * elsewhere. Internal to shim/; any thread; no allocation after the constructor, errno is kept.
 *
 * Mutexes, read-write locks and semaphores that libc's calls take; Python's GIL (lock_gil.h), and its Locks
 * and RLocks (python_locks.h).
 */
#ifndef RACEWATCH_SHIM_LOCK_ORDER_H
#define RACEWATCH_SHIM_LOCK_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/self.h"

extern bool rw_lock_order_on __attribute__((visibility("hidden")));

enum rw_lock_how {
    RW_LOCK_EXCLUSIVE = 0,
    RW_LOCK_SHARED = 1,
    RW_LOCK_BY_TRYING = 2,
    RW_LOCK_SEMAPHORE = 4,
    RW_LOCK_PYTHON = 8, /* a Lock or an RLock: its waiters do without the GIL */
    RW_LOCK_RECURSIVE = 16,
    RW_LOCK_GIL = 32,
    RW_LOCK_BY_PYTHON = 64, /* the call was the interpreter's own */
};

/* In the constructor, before the recording is made: it gets tables for it. */
void rw_lock_order_prepare(void);

/* After it was taken, and before it is given back. `how`: flags of enum rw_lock_how. */
void rw_order_taken_at(const volatile void *lock, unsigned how, const void *return_address);
void rw_order_given_at(const volatile void *lock);

/* The same of a semaphore; before the post. */
void rw_order_semaphore_taken(const void *semaphore, unsigned how, const void *return_address);
void rw_order_semaphore_given(const void *semaphore);

/* The same of a Lock or an RLock. `call`: any number that tells the place in Python's code. `given` with
 * `is_wholly`: however often it was taken. `renewed`: it is free again, whoever had it. */
void rw_order_python_taken(const void *lock, unsigned how, uint64_t call);
void rw_order_python_given(const void *lock, unsigned how, bool is_wholly);
void rw_order_python_renewed(const void *lock);

/* The address may be another lock's from now on. */
void rw_order_gone_at(const volatile void *lock);

/* What the calling thread holds: flags of these. 0 where the recorder is busy. */
enum rw_lock_holding { RW_HOLDS_GIL = 1, RW_HOLDS_OTHERS = 2 };
unsigned rw_order_held(void);

/* The calling thread has made a thread, or joined one. */
void rw_lock_order_step(void);
void rw_lock_order_joined(int32_t tid);

static inline void rw_order_taken(const volatile void *lock, unsigned how, const void *return_address)
{
    if (__builtin_expect(rw_lock_order_on, 0))
        rw_order_taken_at(lock, how, return_address);
}

static inline void rw_order_given(const volatile void *lock)
{
    if (__builtin_expect(rw_lock_order_on, 0))
        rw_order_given_at(lock);
}

static inline void rw_order_gone(const volatile void *lock)
{
    if (__builtin_expect(rw_lock_order_on, 0))
        rw_order_gone_at(lock);
}

#endif
