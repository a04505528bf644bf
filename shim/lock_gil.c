/* SPDX-License-Identifier: MIT */
/*
 * The GIL as a lock. CPython keeps it in a struct (3.2 to 3.15: struct _gil_runtime_state in
 * Include/internal/pycore_gil.h) of which four members follow each other: cond, mutex, switch_cond,
 * switch_mutex. Whoever takes the GIL takes the mutex, waits on the condition until it is free, takes the
 * switch mutex within, and gives both back (take_gil in Python/ceval_gil.c, with FORCE_SWITCHING, which is
 * always defined); whoever gives it up takes the mutex alone (drop_gil). These are calls of libc's functions
 * in every build, static or not, so they are seen here; and no other two mutexes that the interpreter takes
 * one in the other lie so. A thread that leaves take_gil without the GIL, because the interpreter ends, did
 * not have it before either.
 *
 * The GIL's place in the order is its mutex's address. With the GIL switched off, in a free-threaded Python,
 * none of this is called, and there is no such lock.
 */
#include <pthread.h>

#include "shim/lock_held.h"
#include "shim/lock_order.h"

#define TO_SWITCH_MUTEX (sizeof(pthread_mutex_t) + sizeof(pthread_cond_t))
#define GILS_MAX 64u /* that were seen: one for each interpreter that has its own */

static uint64_t gils[GILS_MAX]; /* atomic */

static bool is_gil(uint64_t mutex)
{
    for (uint32_t i = 0; i < GILS_MAX; i++) {
        uint64_t known = __atomic_load_n(&gils[i], __ATOMIC_RELAXED);
        if (known == mutex)
            return true;
        if (known == 0)
            return false;
    }
    return false;
}

static void learn(uint64_t mutex)
{
    for (uint32_t i = 0; i < GILS_MAX; i++) {
        uint64_t nobody = 0;
        if (__atomic_compare_exchange_n(&gils[i], &nobody, mutex, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED) ||
            nobody == mutex)
            return;
    }
}

static void got_it(struct rw_self *self, struct rw_locks *locks, const void *return_address)
{
    locks->is_taking_gil = locks->has_gil = true;
    if (rw_held_find(locks, locks->gil_mutex))
        return;
    rw_held_add(self, locks, locks->gil_mutex, RW_LOCK_GIL, (uint64_t)return_address, return_address);
}

bool rw_lock_gil_taken(struct rw_self *self, struct rw_locks *locks, uint64_t mutex,
                       const void *return_address)
{
    if (locks->gil_mutex == 0) {
        struct rw_held *last = locks->count > 0 ? &locks->held[locks->count - 1] : NULL;
        if (is_gil(mutex)) {
            locks->gil_mutex = mutex;
            locks->is_taking_gil = false;
            return true;
        }
        if (is_gil(mutex - TO_SWITCH_MUTEX))
            return true;
        if (!last || last->lock != mutex - TO_SWITCH_MUTEX || !(last->how & RW_LOCK_BY_PYTHON))
            return false;
        learn(last->lock);
        locks->gil_mutex = last->lock;
        rw_held_remove(locks, last);
    }
    if (mutex != locks->gil_mutex + TO_SWITCH_MUTEX)
        return false;
    got_it(self, locks, return_address);
    return true;
}

bool rw_lock_gil_given(struct rw_locks *locks, uint64_t mutex)
{
    if (locks->gil_mutex == 0)
        return false;
    if (mutex != locks->gil_mutex)
        return mutex == locks->gil_mutex + TO_SWITCH_MUTEX;
    locks->gil_mutex = 0;
    if (locks->is_taking_gil)
        return true;
    locks->has_gil = false;
    struct rw_held *held = rw_held_find(locks, mutex);
    if (held)
        rw_held_remove(locks, held);
    return true;
}
