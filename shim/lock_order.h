/* SPDX-License-Identifier: MIT */
/*
 * In which order threads take locks: with the option lock_order, each thread's held locks are known, and that
 * one was taken under another is written down once for each thread and set of further locks held, with those
 * of others that nothing but locks kept apart from it. Whether orders contradict each other is found out
 * later, elsewhere. Internal to shim/; any thread; no allocation after the constructor, errno is kept.
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
    RW_LOCK_UNIT = 128,     /* one of several of a semaphore that is a counter: holds nobody up */
};

/* In the constructor, before the recording is made: it gets tables for it. */
void rw_lock_order_prepare(void);

/* After it was taken, and before it is given back. `how`: flags of enum rw_lock_how. */
void rw_order_taken_at(const volatile void *lock, unsigned how, const void *return_address);
void rw_order_given_at(const volatile void *lock);

/* The same of a semaphore; before the post. Only with the option. */
void rw_order_semaphore_taken(const void *semaphore, unsigned how, const void *return_address);
void rw_order_semaphore_given(const void *semaphore);

/* The same of a Lock or an RLock. `call`: any number that tells the instruction in Python's code,
 * `functions`: rw_python_functions(). `given` with `is_wholly`: however often it was taken. `renewed`:
 * it is free again, whoever had it. */
void rw_order_python_taken(const void *lock, unsigned how, uint64_t call, uint64_t functions);
void rw_order_python_given(const void *lock, unsigned how, bool is_wholly);
void rw_order_python_renewed(const void *lock);
/* The thread asked whether it has the lock, and has it: a condition's wait and notify begin so. */
void rw_order_python_asked(const void *lock);

/* The address may be another lock's from now on. */
void rw_order_gone_at(const volatile void *lock);

/* What the calling thread holds: flags of these. 0 where the recorder is busy. */
enum rw_lock_holding { RW_HOLDS_GIL = 1, RW_HOLDS_OTHERS = 2 };
unsigned rw_order_held(void);

/* Before the calling thread makes the thread of that slot; before it ends; after it joined it. By its number:
 * for who joins it otherwise than by libc's call. */
void rw_order_creates(uint32_t slot, uint32_t generation);
void rw_order_ends(void);
void rw_order_joined(uint32_t slot, uint32_t generation);
void rw_order_joined_tid(int32_t tid);

/* Before others are let go on by that object, a barrier or a queue; and after the calling thread was let go
 * on by it, a condition too. A condition is told of its own signals, and before its wait, with which mutex.
 */
void rw_order_hands_on_at(const volatile void *object);
void rw_order_got_at(const volatile void *object, const void *return_address);
void rw_order_signals_at(const volatile void *condition, const void *return_address);
void rw_order_waits_at(const void *condition, const void *mutex, const void *return_address);

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

static inline void rw_order_hands_on(const volatile void *object)
{
    if (__builtin_expect(rw_lock_order_on, 0))
        rw_order_hands_on_at(object);
}

static inline void rw_order_got(const volatile void *object, const void *return_address)
{
    if (__builtin_expect(rw_lock_order_on, 0))
        rw_order_got_at(object, return_address);
}

static inline void rw_order_signals(const volatile void *condition, const void *return_address)
{
    if (__builtin_expect(rw_lock_order_on, 0))
        rw_order_signals_at(condition, return_address);
}

static inline void rw_order_waits(const void *condition, const void *mutex, const void *return_address)
{
    if (__builtin_expect(rw_lock_order_on, 0))
        rw_order_waits_at(condition, mutex, return_address);
}

#endif
