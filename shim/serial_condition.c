/* SPDX-License-Identifier: MIT */
/*
 * Conditions in serial mode: who waits, waits in the model. The mutex is given back for real, and is had
 * again before the wait is over. Who waited longest is woken first, but for an interpreter's lock that is
 * given up for somebody.
 */
#include <errno.h>

#include "shim/serial_sync.h"

/* glibc 2.36, nptl/pthread_cond_common.c: bits of __wrefs. */
enum { CONDITION_SHARED = 1, CONDITION_MONOTONIC = 2 };

static bool is_ready(const struct rw_serial_thread *thread)
{
    return thread->is_signalled && rw_serial_mutex_is_free(thread->object2);
}

/* How long the model has been waiting for it: seen[0] is the number of the wait. */
static bool is_waiter(const struct rw_serial_thread *thread, const volatile void *condition)
{
    return thread->state == RW_SERIAL_BLOCKED && thread->is_ready == is_ready &&
           thread->object == condition && !thread->is_signalled;
}

void rw_serial_condition_forget(const volatile void *condition)
{
    for (uint32_t i = 0; i < rw_serial.used; i++) {
        struct rw_serial_thread *thread = &rw_serial.threads[i];
        if (thread->state == RW_SERIAL_BLOCKED && thread->is_ready == is_ready && thread->object == condition)
            thread->is_signalled = false;
    }
}

static int wait_outside(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
                        const struct timespec *deadline)
{
    int result;
    struct timespec real;
    if (deadline)
        rw_serial_real_deadline(clock, deadline, &real);
    rw_serial_outside_begin();
    result = deadline ? rw_serial_libc.pthread_cond_clockwait(condition, mutex, clock, &real)
                      : rw_serial_libc.pthread_cond_wait(condition, mutex);
    rw_serial_outside_end();
    return result;
}

static int wait_for(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
                    const struct timespec *deadline)
{
    static uint64_t number;
    bool is_ours = !(condition->__data.__wrefs & CONDITION_SHARED) &&
                   (!deadline || (deadline->tv_nsec >= 0 && deadline->tv_nsec < 1000000000));
    struct rw_serial_thread *self = is_ours ? rw_serial_enter() : NULL;
    if (!self)
        return wait_outside(condition, mutex, clock, deadline);
    uint64_t until = deadline ? rw_serial_deadline(clock, deadline) : RW_SERIAL_NEVER;
    bool is_interpreter_lock =
        deadline && rw_serial_interpreter_lock_awaited(condition, mutex,
                                                       until > rw_serial.now ? until - rw_serial.now : 0);
    bool asks = is_interpreter_lock && rw_serial_interpreter_lock_asks(self, condition, &until);
    if (asks || (!deadline && rw_serial_interpreter_lock_passes(self, condition))) {
        rw_serial_leave(self);
        return asks ? ETIMEDOUT : 0;
    }
    int result = rw_serial_libc.pthread_mutex_unlock(mutex);
    if (result != 0) {
        rw_serial_leave(self);
        return result;
    }
    if (!is_interpreter_lock || !rw_serial_interpreter_lock_has_asked(self, condition)) {
        rw_serial_wait_begin(self, is_ready, condition, until);
        self->object2 = mutex;
        self->seen[0] = number++;
        self->is_interpreter_lock = is_interpreter_lock;
        rw_serial_wait(self);
    }
    enum rw_serial_outcome outcome = self->outcome;
    rw_serial_leave(self);
    result = rw_serial_mutex_lock(mutex);
    return result != 0 ? result : outcome == RW_SERIAL_TIMED_OUT ? ETIMEDOUT : 0;
}

static clockid_t clock_of(const pthread_cond_t *condition)
{
    return condition->__data.__wrefs & CONDITION_MONOTONIC ? CLOCK_MONOTONIC : CLOCK_REALTIME;
}

static int cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    return wait_for(condition, mutex, CLOCK_REALTIME, NULL);
}

static int cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *deadline)
{
    return wait_for(condition, mutex, clock_of(condition), deadline);
}

static int cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
                          const struct timespec *deadline)
{
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
        return rw_serial_libc.pthread_cond_clockwait(condition, mutex, clock, deadline);
    return wait_for(condition, mutex, clock, deadline);
}

static int c11_wait(cnd_t *condition, mtx_t *mutex)
{
    int error = wait_for((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, CLOCK_REALTIME, NULL);
    return error == 0 ? thrd_success : thrd_error;
}

static int c11_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *deadline)
{
    int error = wait_for((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, CLOCK_REALTIME, deadline);
    return error == 0 ? thrd_success : error == ETIMEDOUT ? thrd_timedout : thrd_error;
}

static void wake(const volatile void *condition, bool is_for_all)
{
    struct rw_serial_thread *self = rw_serial_enter();
    if (!self)
        return;
    if (!rw_serial_is_interpreter_lock(condition))
        rw_serial_point(self, condition);
    const struct rw_serial_thread *wanted =
        self->successor ? self->successor : rw_serial_interpreter_lock_next(condition);
    for (;;) {
        struct rw_serial_thread *first = NULL;
        for (uint32_t i = 0; i < rw_serial.used; i++) {
            struct rw_serial_thread *thread = &rw_serial.threads[i];
            if (!is_waiter(thread, condition))
                continue;
            if (!first || thread == wanted || (first != wanted && thread->seen[0] < first->seen[0]))
                first = thread;
        }
        if (!first)
            break;
        first->is_signalled = true;
        if (!is_for_all)
            break;
    }
    rw_serial_leave(self);
}

/* The real ones as well: a thread that the model does not know may wait in libc. */
static int cond_signal(pthread_cond_t *condition)
{
    wake(condition, false);
    int result = rw_serial_libc.pthread_cond_signal(condition);
    rw_serial_after(condition);
    return result;
}

static int cond_broadcast(pthread_cond_t *condition)
{
    wake(condition, true);
    int result = rw_serial_libc.pthread_cond_broadcast(condition);
    rw_serial_after(condition);
    return result;
}

static int c11_signal(cnd_t *condition)
{
    wake(condition, false);
    int result = rw_serial_libc.cnd_signal(condition);
    rw_serial_after(condition);
    return result;
}

static int c11_broadcast(cnd_t *condition)
{
    wake(condition, true);
    int result = rw_serial_libc.cnd_broadcast(condition);
    rw_serial_after(condition);
    return result;
}

void rw_serial_condition_install(void)
{
    rw_real.pthread_cond_wait = cond_wait;
    rw_real.pthread_cond_timedwait = cond_timedwait;
    rw_real.pthread_cond_clockwait = cond_clockwait;
    rw_real.pthread_cond_signal = cond_signal;
    rw_real.pthread_cond_broadcast = cond_broadcast;
    rw_real.cnd_wait = c11_wait;
    rw_real.cnd_timedwait = c11_timedwait;
    rw_real.cnd_signal = c11_signal;
    rw_real.cnd_broadcast = c11_broadcast;
}
