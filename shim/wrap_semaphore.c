/* SPDX-License-Identifier: MIT */
/*
 * Semaphores. What glibc does first (2.36, nptl/sem_wait.c, sem_timedwait.c, sem_clockwait.c) happens here in
 * the same order: the arguments, the cancellation point, which sem_clockwait is only where it blocks, the
 * attempt without blocking. sem_post stays async-signal-safe.
 */
#include <errno.h>
#include <stdbool.h>

#include "shim/lock_misuse.h"
#include "shim/lock_order.h"
#include "shim/perturb_delay.h"
#include "shim/perturb_gil.h"
#include "shim/real.h"
#include "shim/semaphore_table.h"
#include "shim/wait.h"

/* A macro, so that the return address is asked for on the rare path only: before the call it would be kept in
 * a register across it. */
#define TAKEN(semaphore, how, return_address)                                                                \
    do {                                                                                                     \
        rw_semaphore_taken(semaphore);                                                                       \
        if (__builtin_expect(rw_lock_order_on, 0))                                                           \
            rw_order_semaphore_taken(semaphore, how, return_address);                                        \
    } while (0)

/* True if it was there to be taken. errno is kept if not. */
static inline bool try_first(sem_t *semaphore, enum rw_lock_how how, const void *return_address)
{
    int kept = errno;
    if (RW_REAL_OF(sem_trywait)(semaphore) != 0) {
        errno = kept;
        return false;
    }
    TAKEN(semaphore, how, return_address);
    return true;
}

static bool is_valid(const struct timespec *deadline)
{
    return deadline->tv_nsec >= 0 && deadline->tv_nsec < 1000000000;
}

#define WAIT(deadline, clock, how, call)                                                                     \
    do {                                                                                                     \
        int result;                                                                                          \
        struct rw_wait_scope wait;                                                                           \
        if (__builtin_expect(rw_perturb_mode == RW_PERTURB_DELAY, 0))                                        \
            rw_gil_left();                                                                                   \
        rw_wait_begin(&wait, RW_WAIT_SEMAPHORE, semaphore, (uint64_t)rw_self.acquiring, deadline, clock,     \
                      __builtin_return_address(0));                                                          \
        RW_UNWOUND(rw_wait_cancelled, &wait, result = call);                                                 \
        rw_wait_end(&wait, result == 0 ? 0 : errno);                                                         \
        rw_delay(RW_DELAY_TAKEN, __builtin_return_address(0));                                               \
        if (result == 0)                                                                                     \
            TAKEN(semaphore, how, __builtin_return_address(0));                                              \
        return result;                                                                                       \
    } while (0)

RW_EXPORT int sem_trywait(sem_t *semaphore)
{
    int result = RW_REAL_OF(sem_trywait)(semaphore);
    if (result == 0)
        TAKEN(semaphore, RW_LOCK_BY_TRYING, __builtin_return_address(0));
    return result;
}

RW_EXPORT int sem_wait(sem_t *semaphore)
{
    rw_delay(RW_DELAY_TAKE, __builtin_return_address(0));
    pthread_testcancel();
    if (try_first(semaphore, RW_LOCK_EXCLUSIVE, __builtin_return_address(0)))
        return 0;
    WAIT(NULL, 0, RW_LOCK_EXCLUSIVE, RW_REAL_OF(sem_wait)(semaphore));
}

RW_EXPORT int sem_timedwait(sem_t *semaphore, const struct timespec *deadline)
{
    if (!is_valid(deadline))
        return RW_REAL_OF(sem_timedwait)(semaphore, deadline);
    rw_delay(RW_DELAY_TAKE, __builtin_return_address(0));
    pthread_testcancel();
    if (try_first(semaphore, RW_LOCK_BY_TRYING, __builtin_return_address(0)))
        return 0;
    WAIT(deadline, CLOCK_REALTIME, RW_LOCK_BY_TRYING, RW_REAL_OF(sem_timedwait)(semaphore, deadline));
}

RW_EXPORT int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *deadline)
{
    if (!is_valid(deadline) || (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC))
        return RW_REAL_OF(sem_clockwait)(semaphore, clock, deadline);
    rw_delay(RW_DELAY_TAKE, __builtin_return_address(0));
    if (try_first(semaphore, RW_LOCK_BY_TRYING, __builtin_return_address(0)))
        return 0;
    WAIT(deadline, clock, RW_LOCK_BY_TRYING, RW_REAL_OF(sem_clockwait)(semaphore, clock, deadline));
}

/* struct new_sem where 64 bits can be changed at once: the upper half of `data`; glibc 2.21 to 2.36,
 * sysdeps/nptl/internaltypes.h. */
static bool has_waiters(const sem_t *semaphore)
{
    return __atomic_load_n((const uint64_t *)semaphore, __ATOMIC_RELAXED) >> 32 != 0;
}

static inline int post(sem_t *semaphore)
{
    rw_semaphore_given(semaphore);
    if (__builtin_expect(rw_lock_order_on, 0))
        rw_order_semaphore_given(semaphore);
    return RW_REAL_OF(sem_post)(semaphore);
}

static __attribute__((noinline, cold)) int post_and_delay(sem_t *semaphore, const void *return_address)
{
    bool wakes_somebody = has_waiters(semaphore);
    int result = post(semaphore);
    if (wakes_somebody)
        rw_delay_at(RW_DELAY_SIGNALLED, return_address);
    return result;
}

RW_EXPORT int sem_post(sem_t *semaphore)
{
    if (__builtin_expect(rw_perturb_mode == RW_PERTURB_DELAY, 0))
        return post_and_delay(semaphore, __builtin_return_address(0));
    return post(semaphore);
}

RW_EXPORT int sem_destroy(sem_t *semaphore)
{
    rw_check_semaphore_destroyed(semaphore, __builtin_return_address(0));
    rw_semaphore_given(semaphore);
    rw_order_gone(semaphore);
    return RW_REAL_OF(sem_destroy)(semaphore);
}
