/* SPDX-License-Identifier: MIT */
/* Read-write locks: as mutexes, the real try first. Neither form is a cancellation point in glibc. */
#include <errno.h>
#include <stdbool.h>

#include "shim/lock_misuse.h"
#include "shim/perturb_delay.h"
#include "shim/lock_order.h"
#include "shim/real.h"
#include "shim/wait.h"

/* __cur_writer is the writer's TID, 0 without one; glibc 2.36, nptl/pthread_rwlock_common.c. */
static void begin(struct rw_wait_scope *wait, enum rw_wait_kind kind, const pthread_rwlock_t *lock,
                  const struct timespec *deadline, clockid_t clock, const void *return_address)
{
    uint64_t writer = (uint64_t)(uint32_t)__atomic_load_n(&lock->__data.__cur_writer, __ATOMIC_RELAXED);
    rw_wait_begin(wait, kind, lock, writer, deadline, clock, return_address);
}

/* glibc finds a deadline or a clock that is none before it looks at the lock. */
static bool is_valid(clockid_t clock, const struct timespec *deadline)
{
    return (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC) && deadline->tv_nsec >= 0 &&
           deadline->tv_nsec < 1000000000;
}

/* Who gives up by itself waits for nobody for ever. */
static inline int taken(const pthread_rwlock_t *lock, int result, enum rw_wait_kind kind,
                        const struct timespec *deadline, const void *return_address)
{
    if (result == 0)
        rw_order_taken(lock,
                       (kind == RW_WAIT_RWLOCK_READ ? RW_LOCK_SHARED : RW_LOCK_EXCLUSIVE) |
                           (deadline ? RW_LOCK_BY_TRYING : 0),
                       return_address);
    return result;
}

#define LOCK(attempt, kind, deadline, clock, call)                                                           \
    do {                                                                                                     \
        rw_delay(RW_DELAY_LOCK, __builtin_return_address(0));                                                \
        int result = attempt;                                                                                \
        if (__builtin_expect(result != EBUSY, 1))                                                            \
            return taken(lock, result, kind, deadline, __builtin_return_address(0));                         \
        struct rw_wait_scope wait;                                                                           \
        begin(&wait, kind, lock, deadline, clock, __builtin_return_address(0));                              \
        result = call;                                                                                       \
        rw_wait_end(&wait, result);                                                                          \
        if (result == ETIMEDOUT)                                                                             \
            rw_check_fork_rwlock(lock, __builtin_return_address(0));                                         \
        return taken(lock, result, kind, deadline, __builtin_return_address(0));                             \
    } while (0)

RW_EXPORT int pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
    LOCK(RW_REAL_OF(pthread_rwlock_tryrdlock)(lock), RW_WAIT_RWLOCK_READ, NULL, 0,
         RW_REAL_OF(pthread_rwlock_rdlock)(lock));
}

RW_EXPORT int pthread_rwlock_timedrdlock(pthread_rwlock_t *lock, const struct timespec *deadline)
{
    if (!is_valid(CLOCK_REALTIME, deadline))
        return RW_REAL_OF(pthread_rwlock_timedrdlock)(lock, deadline);
    LOCK(RW_REAL_OF(pthread_rwlock_tryrdlock)(lock), RW_WAIT_RWLOCK_READ, deadline, CLOCK_REALTIME,
         RW_REAL_OF(pthread_rwlock_timedrdlock)(lock, deadline));
}

RW_EXPORT int pthread_rwlock_clockrdlock(pthread_rwlock_t *lock, clockid_t clock,
                                         const struct timespec *deadline)
{
    if (!is_valid(clock, deadline))
        return RW_REAL_OF(pthread_rwlock_clockrdlock)(lock, clock, deadline);
    LOCK(RW_REAL_OF(pthread_rwlock_tryrdlock)(lock), RW_WAIT_RWLOCK_READ, deadline, clock,
         RW_REAL_OF(pthread_rwlock_clockrdlock)(lock, clock, deadline));
}

RW_EXPORT int pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
    LOCK(RW_REAL_OF(pthread_rwlock_trywrlock)(lock), RW_WAIT_RWLOCK_WRITE, NULL, 0,
         RW_REAL_OF(pthread_rwlock_wrlock)(lock));
}

RW_EXPORT int pthread_rwlock_timedwrlock(pthread_rwlock_t *lock, const struct timespec *deadline)
{
    if (!is_valid(CLOCK_REALTIME, deadline))
        return RW_REAL_OF(pthread_rwlock_timedwrlock)(lock, deadline);
    LOCK(RW_REAL_OF(pthread_rwlock_trywrlock)(lock), RW_WAIT_RWLOCK_WRITE, deadline, CLOCK_REALTIME,
         RW_REAL_OF(pthread_rwlock_timedwrlock)(lock, deadline));
}

RW_EXPORT int pthread_rwlock_clockwrlock(pthread_rwlock_t *lock, clockid_t clock,
                                         const struct timespec *deadline)
{
    if (!is_valid(clock, deadline))
        return RW_REAL_OF(pthread_rwlock_clockwrlock)(lock, clock, deadline);
    LOCK(RW_REAL_OF(pthread_rwlock_trywrlock)(lock), RW_WAIT_RWLOCK_WRITE, deadline, clock,
         RW_REAL_OF(pthread_rwlock_clockwrlock)(lock, clock, deadline));
}

RW_EXPORT int pthread_rwlock_tryrdlock(pthread_rwlock_t *lock)
{
    int result = RW_REAL_OF(pthread_rwlock_tryrdlock)(lock);
    if (result == 0)
        rw_order_taken(lock, RW_LOCK_SHARED | RW_LOCK_BY_TRYING, __builtin_return_address(0));
    return result;
}

RW_EXPORT int pthread_rwlock_trywrlock(pthread_rwlock_t *lock)
{
    int result = RW_REAL_OF(pthread_rwlock_trywrlock)(lock);
    if (result == 0)
        rw_order_taken(lock, RW_LOCK_BY_TRYING, __builtin_return_address(0));
    return result;
}

RW_EXPORT int pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
    rw_order_given(lock);
    return RW_REAL_OF(pthread_rwlock_unlock)(lock);
}

RW_EXPORT int pthread_rwlock_destroy(pthread_rwlock_t *lock)
{
    rw_order_gone(lock);
    return RW_REAL_OF(pthread_rwlock_destroy)(lock);
}
