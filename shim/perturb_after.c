/* SPDX-License-Identifier: MIT */
#include "shim/perturb_after.h"

#include <stdbool.h>

#include "shim/perturb_delay.h"
#include "shim/python_hooks.h"
#include "shim/real.h"

static struct rw_real libc;

/* Python's own come too often, and with the GIL held. */
static void after(enum rw_delay_kind kind, const void *object)
{
    if (!rw_python_is_there())
        rw_delay_at(kind, object);
}

/* __wrefs counts from bit 3; glibc 2.36, nptl/pthread_cond_common.c. */
static bool has_waiters(const pthread_cond_t *condition)
{
    return __atomic_load_n(&condition->__data.__wrefs, __ATOMIC_RELAXED) >> 3 != 0;
}

static int rwlock_unlock(pthread_rwlock_t *lock)
{
    int result = libc.pthread_rwlock_unlock(lock);
    after(RW_DELAY_UNLOCKED, lock);
    return result;
}

static int c11_unlock(mtx_t *mutex)
{
    int result = libc.mtx_unlock(mutex);
    after(RW_DELAY_UNLOCKED, mutex);
    return result;
}

#define WAKES(function, type, name)                                                                          \
    static int function(type *condition)                                                                     \
    {                                                                                                        \
        bool wakes_somebody = has_waiters((const pthread_cond_t *)condition);                                \
        int result = libc.name(condition);                                                                   \
        if (wakes_somebody)                                                                                  \
            after(RW_DELAY_SIGNALLED, condition);                                                            \
        return result;                                                                                       \
    }

WAKES(cond_signal, pthread_cond_t, pthread_cond_signal)
WAKES(cond_broadcast, pthread_cond_t, pthread_cond_broadcast)
WAKES(c11_signal, cnd_t, cnd_signal)
WAKES(c11_broadcast, cnd_t, cnd_broadcast)

void rw_delay_after_begin(void)
{
    libc = rw_real;
    rw_real.pthread_rwlock_unlock = rwlock_unlock;
    rw_real.mtx_unlock = c11_unlock;
    rw_real.pthread_cond_signal = cond_signal;
    rw_real.pthread_cond_broadcast = cond_broadcast;
    rw_real.cnd_signal = c11_signal;
    rw_real.cnd_broadcast = c11_broadcast;
}
