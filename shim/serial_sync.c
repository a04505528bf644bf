/* SPDX-License-Identifier: MIT */
/*
 * Locks, semaphores and barriers in serial mode. What stands in for a try is a point and then the try; what
 * stands in for a call that blocks waits in the model for a look at the object to say that a try may succeed,
 * and tries. Objects that other processes share are waited for outside, in libc.
 */
#include <errno.h>

#include "shim/serial_sync.h"
#include "shim/self.h"

/* glibc 2.36: nptl/pthreadP.h; sysdeps/nptl/internaltypes.h (struct new_sem, struct pthread_barrier). */
#define MUTEX_SHARED 128
#define MUTEX_TAKEN 0x3fffffffu /* of __lock: 1 or 2, or the owner's TID; never the bits above */

static bool mutex_is_shared(const pthread_mutex_t *mutex)
{
    return mutex->__data.__kind & MUTEX_SHARED;
}

static bool semaphore_is_shared(const sem_t *semaphore)
{
    return ((const int *)semaphore)[2] != 0;
}

bool rw_serial_mutex_is_free(const volatile void *object)
{
    const volatile pthread_mutex_t *mutex = object;
    return ((unsigned)mutex->__data.__lock & MUTEX_TAKEN) == 0;
}

static bool mutex_is_ready(const struct rw_serial_thread *thread)
{
    return rw_serial_mutex_is_free(thread->object);
}

static bool semaphore_is_ready(const struct rw_serial_thread *thread)
{
    return *(const volatile unsigned *)thread->object != 0;
}

/* A rwlock does not say whether a try would succeed; but not before it has changed. */
static bool rwlock_is_ready(const struct rw_serial_thread *thread)
{
    const volatile uint64_t *words = thread->object;
    for (int i = 0; i < 4; i++) {
        if (words[i] != thread->seen[i])
            return true;
    }
    return false;
}

static bool is_signalled(const struct rw_serial_thread *thread)
{
    return thread->is_signalled;
}

void rw_serial_before(const volatile void *object)
{
    struct rw_serial_thread *self = rw_serial_enter();
    if (!self)
        return;
    if (!rw_serial_is_interpreter_lock(object))
        rw_serial_point(self, object);
    rw_serial_leave(self);
}

void rw_serial_after(const volatile void *object)
{
    struct rw_serial_thread *self = rw_serial_is_interpreter_lock(object) ? NULL : rw_serial_enter();
    if (!self)
        return;
    rw_serial_point_after(self);
    rw_serial_leave(self);
}

/* Waits until `is_ready` says yes, or the deadline. */
static enum rw_serial_outcome block(bool (*is_ready)(const struct rw_serial_thread *),
                                    const volatile void *object, uint64_t deadline)
{
    struct rw_serial_thread *self = rw_serial_enter();
    if (!self)
        return RW_SERIAL_NOT_OURS;
    rw_serial_wait_begin(self, is_ready, object, deadline);
    self->is_interruptible = is_ready == semaphore_is_ready;
    if (is_ready == rwlock_is_ready) {
        for (int i = 0; i < 4; i++)
            self->seen[i] = ((const volatile uint64_t *)object)[i];
    }
    enum rw_serial_outcome outcome = rw_serial_wait(self);
    rw_serial_leave(self);
    return outcome;
}

void rw_serial_outside_begin(void)
{
    struct rw_serial_thread *self = rw_serial_enter();
    if (self)
        rw_serial_give_away(self, RW_SERIAL_OUTSIDE);
}

void rw_serial_outside_end(void)
{
    struct rw_serial_thread *self = rw_serial_enter();
    if (self)
        rw_serial_leave(self);
}

#define OUTSIDE(result, call)                                                                                \
    do {                                                                                                     \
        rw_serial_outside_begin();                                                                           \
        result = call;                                                                                       \
        rw_serial_outside_end();                                                                             \
    } while (0)

/* Tries until it has the object, the time is over, or libc has to be asked. `busy` is what a try says of an
 * object that is taken. */
#define BLOCK(attempt, busy, ready, object, deadline, timed_out, real)                                       \
    for (;;) {                                                                                               \
        int result = attempt;                                                                                \
        if (result != (busy))                                                                                \
            return result;                                                                                   \
        enum rw_serial_outcome outcome = block(ready, object, deadline);                                     \
        if (outcome == RW_SERIAL_TIMED_OUT)                                                                  \
            return timed_out;                                                                                \
        if (outcome == RW_SERIAL_NOT_OURS)                                                                   \
            return real;                                                                                     \
    }

static bool is_valid(const struct timespec *deadline)
{
    return deadline->tv_nsec >= 0 && deadline->tv_nsec < 1000000000;
}

static int mutex_trylock(pthread_mutex_t *mutex)
{
    rw_serial_before(mutex);
    return rw_serial_libc.pthread_mutex_trylock(mutex);
}

/* Whether libc answers at once, because the thread has the mutex already and its kind is to say so. */
static bool is_refused(const pthread_mutex_t *mutex)
{
    return (mutex->__data.__kind & 3) == PTHREAD_MUTEX_ERRORCHECK &&
           mutex->__data.__owner == rw_self_tid(&rw_self);
}

int rw_serial_mutex_lock(pthread_mutex_t *mutex)
{
    if (is_refused(mutex))
        return rw_serial_libc.pthread_mutex_lock(mutex);
    if (mutex_is_shared(mutex)) {
        int result;
        OUTSIDE(result, rw_serial_libc.pthread_mutex_lock(mutex));
        return result;
    }
    BLOCK(rw_serial_libc.pthread_mutex_trylock(mutex), EBUSY, mutex_is_ready, mutex, RW_SERIAL_NEVER, 0,
          rw_serial_libc.pthread_mutex_lock(mutex));
}

static int mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *deadline)
{
    struct timespec real;
    rw_serial_real_deadline(clock, deadline, &real);
    if (!is_valid(deadline) || is_refused(mutex))
        return rw_serial_libc.pthread_mutex_clocklock(mutex, clock, &real);
    if (mutex_is_shared(mutex)) {
        int result;
        OUTSIDE(result, rw_serial_libc.pthread_mutex_clocklock(mutex, clock, &real));
        return result;
    }
    BLOCK(rw_serial_libc.pthread_mutex_trylock(mutex), EBUSY, mutex_is_ready, mutex,
          rw_serial_deadline(clock, deadline), ETIMEDOUT,
          rw_serial_libc.pthread_mutex_clocklock(mutex, clock, &real));
}

static int mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *deadline)
{
    return mutex_clocklock(mutex, CLOCK_REALTIME, deadline);
}

static int mutex_unlock(pthread_mutex_t *mutex)
{
    int result = rw_serial_libc.pthread_mutex_unlock(mutex);
    rw_serial_interpreter_lock_left(mutex);
    rw_serial_after(mutex);
    return result;
}

/* C11's mutex is a pthread_mutex_t under another name, nptl/thrd_priv.h. */
static int c11(int error)
{
    return error == 0           ? thrd_success
           : error == EBUSY     ? thrd_busy
           : error == ETIMEDOUT ? thrd_timedout
           : error == ENOMEM    ? thrd_nomem
                                : thrd_error;
}

static int c11_trylock(mtx_t *mutex)
{
    return c11(mutex_trylock((pthread_mutex_t *)mutex));
}

static int c11_lock(mtx_t *mutex)
{
    return c11(rw_serial_mutex_lock((pthread_mutex_t *)mutex));
}

static int c11_timedlock(mtx_t *mutex, const struct timespec *deadline)
{
    return c11(mutex_clocklock((pthread_mutex_t *)mutex, CLOCK_REALTIME, deadline));
}

static int c11_unlock(mtx_t *mutex)
{
    return c11(mutex_unlock((pthread_mutex_t *)mutex));
}

static int rwlock_unlock(pthread_rwlock_t *lock)
{
    int result = rw_serial_libc.pthread_rwlock_unlock(lock);
    rw_serial_after(lock);
    return result;
}

static int tryrdlock(pthread_rwlock_t *lock)
{
    rw_serial_before(lock);
    return rw_serial_libc.pthread_rwlock_tryrdlock(lock);
}

static int trywrlock(pthread_rwlock_t *lock)
{
    rw_serial_before(lock);
    return rw_serial_libc.pthread_rwlock_trywrlock(lock);
}

static bool is_own_writer(const pthread_rwlock_t *lock)
{
    return lock->__data.__cur_writer == rw_self_tid(&rw_self);
}

#define RWLOCK(suffix)                                                                                       \
    static int suffix(pthread_rwlock_t *lock)                                                                \
    {                                                                                                        \
        if (is_own_writer(lock))                                                                             \
            return rw_serial_libc.pthread_rwlock_##suffix(lock); /* EDEADLK */                               \
        if (lock->__data.__shared) {                                                                         \
            int result;                                                                                      \
            OUTSIDE(result, rw_serial_libc.pthread_rwlock_##suffix(lock));                                   \
            return result;                                                                                   \
        }                                                                                                    \
        BLOCK(rw_serial_libc.pthread_rwlock_try##suffix(lock), EBUSY, rwlock_is_ready, lock,                 \
              RW_SERIAL_NEVER, 0, rw_serial_libc.pthread_rwlock_##suffix(lock));                             \
    }                                                                                                        \
    static int clock##suffix(pthread_rwlock_t *lock, clockid_t clock, const struct timespec *deadline)       \
    {                                                                                                        \
        struct timespec real;                                                                                \
        rw_serial_real_deadline(clock, deadline, &real);                                                     \
        if (is_own_writer(lock) || lock->__data.__shared)                                                    \
            return rw_serial_libc.pthread_rwlock_clock##suffix(lock, clock, &real);                          \
        BLOCK(rw_serial_libc.pthread_rwlock_try##suffix(lock), EBUSY, rwlock_is_ready, lock,                 \
              rw_serial_deadline(clock, deadline), ETIMEDOUT,                                                \
              rw_serial_libc.pthread_rwlock_clock##suffix(lock, clock, &real));                              \
    }                                                                                                        \
    static int timed##suffix(pthread_rwlock_t *lock, const struct timespec *deadline)                        \
    {                                                                                                        \
        return clock##suffix(lock, CLOCK_REALTIME, deadline);                                                \
    }
RWLOCK(rdlock)
RWLOCK(wrlock)
#undef RWLOCK

static int semaphore_trywait(sem_t *semaphore)
{
    rw_serial_before(semaphore);
    return rw_serial_libc.sem_trywait(semaphore);
}

/* As sem_clockwait does: -1 and errno. */
static int semaphore_wait(sem_t *semaphore, clockid_t clock, const struct timespec *deadline)
{
    int kept = errno;
    uint64_t until = deadline ? rw_serial_deadline(clock, deadline) : RW_SERIAL_NEVER;
    while (rw_serial_libc.sem_trywait(semaphore) != 0) {
        if (errno != EAGAIN)
            return -1;
        enum rw_serial_outcome outcome = block(semaphore_is_ready, semaphore, until);
        if (outcome == RW_SERIAL_NOT_OURS)
            return deadline ? rw_serial_libc.sem_clockwait(semaphore, clock, deadline)
                            : rw_serial_libc.sem_wait(semaphore);
        if (outcome != RW_SERIAL_GO) {
            errno = outcome == RW_SERIAL_TIMED_OUT ? ETIMEDOUT : EINTR;
            return -1;
        }
        pthread_testcancel();
    }
    errno = kept;
    return 0;
}

static int semaphore_wait_outside(sem_t *semaphore, clockid_t clock, const struct timespec *deadline)
{
    int result;
    struct timespec real;
    if (deadline)
        rw_serial_real_deadline(clock, deadline, &real);
    OUTSIDE(result, deadline ? rw_serial_libc.sem_clockwait(semaphore, clock, &real)
                             : rw_serial_libc.sem_wait(semaphore));
    return result;
}

static int semaphore_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *deadline)
{
    return semaphore_is_shared(semaphore) ? semaphore_wait_outside(semaphore, clock, deadline)
                                          : semaphore_wait(semaphore, clock, deadline);
}

static int semaphore_timedwait(sem_t *semaphore, const struct timespec *deadline)
{
    return semaphore_clockwait(semaphore, CLOCK_REALTIME, deadline);
}

static int semaphore_wait_for_ever(sem_t *semaphore)
{
    return semaphore_clockwait(semaphore, CLOCK_REALTIME, NULL);
}

static int semaphore_post(sem_t *semaphore)
{
    rw_serial_before(semaphore);
    int result = rw_serial_libc.sem_post(semaphore);
    rw_serial_after(semaphore);
    return result;
}

/* The real barrier is not touched: who waits, waits here. */
static int barrier_wait(pthread_barrier_t *barrier)
{
    const unsigned *words = (const unsigned *)barrier; /* in, current round, count, shared, out */
    struct rw_serial_thread *self = words[3] == 0 ? rw_serial_enter() : NULL;
    if (!self) {
        int result;
        OUTSIDE(result, rw_serial_libc.pthread_barrier_wait(barrier));
        return result;
    }
    rw_serial_point(self, barrier);
    uint32_t waiting = 0;
    for (uint32_t i = 0; i < rw_serial.used; i++) {
        struct rw_serial_thread *thread = &rw_serial.threads[i];
        waiting += thread->state == RW_SERIAL_BLOCKED && thread->object == barrier && !thread->is_signalled;
    }
    bool is_last = waiting + 1 >= words[2];
    for (uint32_t i = 0; is_last && i < rw_serial.used; i++) {
        struct rw_serial_thread *thread = &rw_serial.threads[i];
        if (thread->state == RW_SERIAL_BLOCKED && thread->object == barrier)
            thread->is_signalled = true;
    }
    if (!is_last) {
        rw_serial_wait_begin(self, is_signalled, barrier, RW_SERIAL_NEVER);
        rw_serial_wait(self);
    }
    rw_serial_leave(self);
    return is_last ? PTHREAD_BARRIER_SERIAL_THREAD : 0;
}

void rw_serial_sync_install(void)
{
    rw_real.pthread_mutex_trylock = mutex_trylock;
    rw_real.pthread_mutex_lock = rw_serial_mutex_lock;
    rw_real.pthread_mutex_unlock = mutex_unlock;
    rw_real.pthread_mutex_timedlock = mutex_timedlock;
    rw_real.pthread_mutex_clocklock = mutex_clocklock;
    rw_real.mtx_trylock = c11_trylock;
    rw_real.mtx_lock = c11_lock;
    rw_real.mtx_timedlock = c11_timedlock;
    rw_real.mtx_unlock = c11_unlock;
    rw_real.pthread_rwlock_tryrdlock = tryrdlock;
    rw_real.pthread_rwlock_trywrlock = trywrlock;
    rw_real.pthread_rwlock_unlock = rwlock_unlock;
    rw_real.pthread_rwlock_rdlock = rdlock;
    rw_real.pthread_rwlock_wrlock = wrlock;
    rw_real.pthread_rwlock_timedrdlock = timedrdlock;
    rw_real.pthread_rwlock_timedwrlock = timedwrlock;
    rw_real.pthread_rwlock_clockrdlock = clockrdlock;
    rw_real.pthread_rwlock_clockwrlock = clockwrlock;
    rw_real.sem_trywait = semaphore_trywait;
    rw_real.sem_wait = semaphore_wait_for_ever;
    rw_real.sem_timedwait = semaphore_timedwait;
    rw_real.sem_clockwait = semaphore_clockwait;
    rw_real.sem_post = semaphore_post;
    rw_real.pthread_barrier_wait = barrier_wait;
}
