/* SPDX-License-Identifier: MIT */
/* Condition variables. Each wait blocks; each is a cancellation point. Both versions of the older two
 * functions are there: see shim/export.map. */
#include "shim/lock_order.h"
#include "shim/perturb_delay.h"
#include "shim/perturb_gil.h"
#include "shim/real.h"
#include "shim/wait.h"

#define WAIT(deadline, clock, call)                                                                          \
    do {                                                                                                     \
        int result;                                                                                          \
        struct rw_wait_scope wait;                                                                           \
        rw_delay(RW_DELAY_WAIT, __builtin_return_address(0));                                                \
        rw_order_waits(condition, mutex, __builtin_return_address(0));                                       \
        rw_wait_begin(&wait, RW_WAIT_COND, condition, (uint64_t)mutex, deadline, clock,                      \
                      __builtin_return_address(0));                                                          \
        RW_UNWOUND(rw_wait_cancelled, &wait, result = call);                                                 \
        rw_wait_end(&wait, result);                                                                          \
        rw_order_got(condition, __builtin_return_address(0)); /* who is late, too */                         \
        rw_delay(RW_DELAY_WOKEN, __builtin_return_address(0));                                               \
        return result;                                                                                       \
    } while (0)

/* A wait for the GIL may be bent: perturb_gil.h. */
#define GIL_WAIT(deadline, clock)                                                                            \
    struct timespec sooner;                                                                                  \
    if (rw_gil_wait(mutex, &(deadline), &sooner, clock, __builtin_return_address(0)))                        \
    return 0

#define VERSION(function, symbol) __asm__(".symver " #function ", " symbol)

/* Which clock a deadline is of is in the condition variable: __wrefs bit 1, glibc 2.36,
 * nptl/pthread_cond_common.c. */
static clockid_t clock_of(const pthread_cond_t *condition)
{
    return __atomic_load_n(&condition->__data.__wrefs, __ATOMIC_RELAXED) & 2 ? CLOCK_MONOTONIC
                                                                             : CLOCK_REALTIME;
}

RW_EXPORT int rw_cond_wait_2_3_2(pthread_cond_t *condition, pthread_mutex_t *mutex);
RW_EXPORT int rw_cond_timedwait_2_3_2(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                      const struct timespec *deadline);
RW_EXPORT int rw_cond_wait_2_2_5(pthread_cond_t *condition, pthread_mutex_t *mutex);
RW_EXPORT int rw_cond_timedwait_2_2_5(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                      const struct timespec *deadline);

VERSION(rw_cond_wait_2_3_2, "pthread_cond_wait@@@GLIBC_2.3.2");
int rw_cond_wait_2_3_2(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    WAIT(NULL, 0, RW_REAL_OF(pthread_cond_wait)(condition, mutex));
}

VERSION(rw_cond_timedwait_2_3_2, "pthread_cond_timedwait@@@GLIBC_2.3.2");
int rw_cond_timedwait_2_3_2(pthread_cond_t *condition, pthread_mutex_t *mutex,
                            const struct timespec *deadline)
{
    const clockid_t clock = clock_of(condition);
    GIL_WAIT(deadline, clock);
    WAIT(deadline, clock, RW_REAL_OF(pthread_cond_timedwait)(condition, mutex, deadline));
}

VERSION(rw_cond_wait_2_2_5, "pthread_cond_wait@GLIBC_2.2.5, remove");
int rw_cond_wait_2_2_5(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    WAIT(NULL, 0, RW_REAL_OF(pthread_cond_wait_2_2_5)(condition, mutex));
}

VERSION(rw_cond_timedwait_2_2_5, "pthread_cond_timedwait@GLIBC_2.2.5, remove");
int rw_cond_timedwait_2_2_5(pthread_cond_t *condition, pthread_mutex_t *mutex,
                            const struct timespec *deadline)
{
    WAIT(deadline, CLOCK_REALTIME, RW_REAL_OF(pthread_cond_timedwait_2_2_5)(condition, mutex, deadline));
}

RW_EXPORT int pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
                                     const struct timespec *deadline)
{
    GIL_WAIT(deadline, clock);
    WAIT(deadline, clock, RW_REAL_OF(pthread_cond_clockwait)(condition, mutex, clock, deadline));
}

RW_EXPORT int cnd_wait(cnd_t *condition, mtx_t *mutex)
{
    WAIT(NULL, 0, RW_REAL_OF(cnd_wait)(condition, mutex));
}

RW_EXPORT int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *deadline)
{
    WAIT(deadline, CLOCK_REALTIME, RW_REAL_OF(cnd_timedwait)(condition, mutex, deadline));
}
