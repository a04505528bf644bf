/* SPDX-License-Identifier: MIT */
/*
 * Mutexes: the real trylock first, and only where that finds the mutex taken a wait is recorded. For every
 * kind of mutex trylock does all that lock does, but for one thing: EBUSY where lock would wait or say
 * EDEADLK. Unlocking only looks whether it is the owner who does it.
 */
#include <errno.h>
#include <stdint.h>

#include "shim/lock_misuse.h"
#include "shim/lock_order.h"
#include "shim/perturb_delay.h"
#include "shim/real.h"
#include "shim/wait.h"
#include "shim/wrap_mutex.h"

/* PTHREAD_MUTEX_PSHARED_BIT in __kind; glibc 2.36, nptl/pthreadP.h. */
#define PROCESS_SHARED 128

/* __owner is the TID for every kind of mutex, 0 while it is free; glibc 2.36, nptl/pthread_mutex_lock.c. */
static uint64_t owner_of(const pthread_mutex_t *mutex)
{
    return (uint64_t)(uint32_t)__atomic_load_n(&mutex->__data.__owner, __ATOMIC_RELAXED);
}

static __attribute__((noinline, cold)) int lock_taken(pthread_mutex_t *mutex, const void *return_address)
{
    struct rw_wait_scope wait;
    rw_wait_begin(&wait, RW_WAIT_MUTEX, mutex, owner_of(mutex), NULL, 0, return_address);
    int result = RW_REAL_OF(pthread_mutex_lock)(mutex);
    rw_wait_end(&wait, result);
    if (result == 0)
        rw_order_taken(mutex, RW_LOCK_EXCLUSIVE, return_address);
    return result;
}

static __attribute__((noinline)) int lock_in_full(pthread_mutex_t *mutex, const void *return_address)
{
    rw_delay(RW_DELAY_LOCK, return_address);
    int result = RW_REAL_OF(pthread_mutex_trylock)(mutex);
    if (__builtin_expect(result != EBUSY, 1)) {
        if (result == 0)
            rw_order_taken(mutex, RW_LOCK_EXCLUSIVE, return_address);
        return result;
    }
    return lock_taken(mutex, return_address);
}

static int unlock_own(pthread_mutex_t *mutex)
{
    rw_order_given(mutex);
    return RW_REAL_OF(pthread_mutex_unlock)(mutex);
}

static __attribute__((noinline)) int unlock_in_full(pthread_mutex_t *mutex, const void *return_address)
{
    int owner = __atomic_load_n(&mutex->__data.__owner, __ATOMIC_RELAXED);
    if (owner != rw_self.tid && owner != 0)
        rw_check_owner(mutex, return_address);
    return unlock_own(mutex);
}

static __attribute__((noinline)) int lock_by_trying(pthread_mutex_t *mutex, const void *return_address)
{
    int result = rw_real.pthread_mutex_trylock(mutex);
    if (__builtin_expect(result == EBUSY, 0))
        return lock_taken(mutex, return_address);
    return result;
}

/* What a mutex takes that may be taken, and one that its owner gives back. Less, once it is known that no
 * option wants more, and that libc's functions are there: one jump instead of a question for each. */
static struct {
    int (*lock)(pthread_mutex_t *, const void *return_address);
    int (*unlock)(pthread_mutex_t *);
} way = {lock_in_full, unlock_own};

void rw_mutex_begin(void)
{
    if (rw_lock_order_on || rw_perturb_mode != RW_PERTURB_OFF)
        return;
    if (rw_real.pthread_mutex_trylock)
        way.lock = lock_by_trying;
    if (rw_real.pthread_mutex_unlock)
        way.unlock = rw_real.pthread_mutex_unlock;
}

/* With one thread glibc's lock does without an atomic instruction, its trylock does not (2.34 and later), and
 * a free mutex that is no other process's stays free until the lock has it. This function is a leaf but for
 * the two jumps: one register saved here is a tenth of what a lock takes. */
RW_EXPORT int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    int taken_or_shared =
        __atomic_load_n(&mutex->__data.__lock, __ATOMIC_RELAXED) | (mutex->__data.__kind & PROCESS_SHARED);
    if (*rw_is_single_threaded && taken_or_shared == 0) /* the former not before all are resolved */
        return rw_real.pthread_mutex_lock(mutex);
    return way.lock(mutex, __builtin_return_address(0));
}

RW_EXPORT int pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    int result = RW_REAL_OF(pthread_mutex_trylock)(mutex);
    if (result == 0)
        rw_order_taken(mutex, RW_LOCK_BY_TRYING, __builtin_return_address(0));
    return result;
}

RW_EXPORT int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *deadline)
{
    int result = RW_REAL_OF(pthread_mutex_trylock)(mutex);
    if (result == 0) /* gives up by itself: waits for nobody for ever */
        rw_order_taken(mutex, RW_LOCK_BY_TRYING, __builtin_return_address(0));
    if (result != EBUSY)
        return result;
    struct rw_wait_scope wait;
    rw_wait_begin(&wait, RW_WAIT_MUTEX, mutex, owner_of(mutex), deadline, CLOCK_REALTIME,
                  __builtin_return_address(0));
    result = RW_REAL_OF(pthread_mutex_timedlock)(mutex, deadline);
    rw_wait_end(&wait, result);
    if (result == 0)
        rw_order_taken(mutex, RW_LOCK_BY_TRYING, __builtin_return_address(0));
    if (result == ETIMEDOUT)
        rw_check_fork_lock(mutex, __builtin_return_address(0));
    return result;
}

RW_EXPORT int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock,
                                      const struct timespec *deadline)
{
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC) /* an error even where the mutex is free */
        return RW_REAL_OF(pthread_mutex_clocklock)(mutex, clock, deadline);
    int result = RW_REAL_OF(pthread_mutex_trylock)(mutex);
    if (result == 0) /* gives up by itself: waits for nobody for ever */
        rw_order_taken(mutex, RW_LOCK_BY_TRYING, __builtin_return_address(0));
    if (result != EBUSY)
        return result;
    struct rw_wait_scope wait;
    rw_wait_begin(&wait, RW_WAIT_MUTEX, mutex, owner_of(mutex), deadline, clock, __builtin_return_address(0));
    result = RW_REAL_OF(pthread_mutex_clocklock)(mutex, clock, deadline);
    rw_wait_end(&wait, result);
    if (result == 0)
        rw_order_taken(mutex, RW_LOCK_BY_TRYING, __builtin_return_address(0));
    if (result == ETIMEDOUT)
        rw_check_fork_lock(mutex, __builtin_return_address(0));
    return result;
}

/* The owner is who it should be, nobody (an unlock of what is not locked is none of a foreign lock), or
 * something for the slow path to look at: also before the thread has asked for its own number. */
RW_EXPORT int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    if (__builtin_expect(__atomic_load_n(&mutex->__data.__owner, __ATOMIC_RELAXED) != rw_self.tid, 0))
        return unlock_in_full(mutex, __builtin_return_address(0));
    return way.unlock(mutex);
}

RW_EXPORT int mtx_unlock(mtx_t *mutex)
{
    int owner = __atomic_load_n(&((pthread_mutex_t *)mutex)->__data.__owner, __ATOMIC_RELAXED);
    if (__builtin_expect(owner != rw_self.tid && owner != 0, 0))
        rw_check_owner((pthread_mutex_t *)mutex, __builtin_return_address(0));
    rw_order_given(mutex);
    return RW_REAL_OF(mtx_unlock)(mutex);
}

/* C11's mutex is a pthread_mutex_t under another name, nptl/thrd_priv.h; not so in the wrapped calls. */
RW_EXPORT int mtx_lock(mtx_t *mutex)
{
    int result = RW_REAL_OF(mtx_trylock)(mutex);
    if (result == thrd_success)
        rw_order_taken(mutex, RW_LOCK_EXCLUSIVE, __builtin_return_address(0));
    if (result != thrd_busy)
        return result;
    struct rw_wait_scope wait;
    rw_wait_begin(&wait, RW_WAIT_MUTEX, mutex, owner_of((const pthread_mutex_t *)mutex), NULL, 0,
                  __builtin_return_address(0));
    result = RW_REAL_OF(mtx_lock)(mutex);
    rw_wait_end(&wait, result);
    if (result == thrd_success)
        rw_order_taken(mutex, RW_LOCK_EXCLUSIVE, __builtin_return_address(0));
    return result;
}

RW_EXPORT int mtx_timedlock(mtx_t *mutex, const struct timespec *deadline)
{
    int result = RW_REAL_OF(mtx_trylock)(mutex);
    if (result != thrd_busy)
        return result;
    struct rw_wait_scope wait;
    rw_wait_begin(&wait, RW_WAIT_MUTEX, mutex, owner_of((const pthread_mutex_t *)mutex), deadline,
                  CLOCK_REALTIME, __builtin_return_address(0));
    result = RW_REAL_OF(mtx_timedlock)(mutex, deadline);
    rw_wait_end(&wait, result);
    return result;
}
