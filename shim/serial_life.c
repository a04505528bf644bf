/* SPDX-License-Identifier: MIT */
/*
 * The life of threads and of the process in serial mode. A thread is over for the model when its destructors
 * of thread-specific data have run, in the last round of them: until then its code is the program's.
 */
#include <errno.h>
#include <limits.h>

#include "shim/raw.h"
#include "shim/serial_log.h"
#include "shim/serial_sync.h"

static pthread_key_t key;
static bool has_key;

static void over(void *value)
{
    struct rw_serial_thread *thread = value;
    if (++thread->rounds < PTHREAD_DESTRUCTOR_ITERATIONS) {
        pthread_setspecific(key, thread);
        return;
    }
    struct rw_serial_thread *self = rw_serial_enter();
    if (!self)
        return;
    rw_serial_self.thread = NULL;
    rw_serial_give_away(self, thread->is_detached ? RW_SERIAL_FREE : RW_SERIAL_ENDED);
}

static void begin(struct rw_serial_thread *thread)
{
    rw_serial_thread_runs(thread);
    if (has_key)
        pthread_setspecific(key, thread);
}

static void *start(void *argument)
{
    struct rw_serial_thread *thread = argument;
    begin(thread);
    return thread->start(thread->argument);
}

static int start_c11(void *argument)
{
    struct rw_serial_thread *thread = argument;
    begin(thread);
    return thread->start_c11(thread->argument);
}

/* NULL: not in the model. */
static struct rw_serial_thread *prepare(bool is_detached, void *argument)
{
    struct rw_serial_thread *self = rw_serial_enter();
    if (!self)
        return NULL;
    struct rw_serial_thread *thread = rw_serial_new_thread(self);
    if (thread) {
        thread->is_detached = is_detached;
        thread->argument = argument;
    }
    rw_serial_leave(self);
    return thread;
}

/* The new thread waits for the token, which its creator has until here. */
static void created(struct rw_serial_thread *thread, bool is_made, pthread_t pthread)
{
    struct rw_serial_thread *self = rw_serial_enter();
    if (!self)
        return;
    if (is_made) {
        thread->pthread = pthread;
        rw_serial_point(self, NULL);
    } else {
        rw_serial_free_thread(thread);
    }
    rw_serial_leave(self);
}

static int create(pthread_t *handle, const pthread_attr_t *attributes, void *(*routine)(void *),
                  void *argument)
{
    int state = PTHREAD_CREATE_JOINABLE;
    if (attributes)
        pthread_attr_getdetachstate(attributes, &state);
    struct rw_serial_thread *thread = prepare(state == PTHREAD_CREATE_DETACHED, argument);
    if (!thread)
        return rw_serial_libc.pthread_create(handle, attributes, routine, argument);
    thread->start = routine;
    int error = rw_serial_libc.pthread_create(handle, attributes, start, thread);
    created(thread, error == 0, error == 0 ? *handle : 0);
    return error;
}

static int create_c11(thrd_t *handle, thrd_start_t routine, void *argument)
{
    struct rw_serial_thread *thread = prepare(false, argument);
    if (!thread)
        return rw_serial_libc.thrd_create(handle, routine, argument);
    thread->start_c11 = routine;
    int error = rw_serial_libc.thrd_create(handle, start_c11, thread);
    created(thread, error == thrd_success, error == thrd_success ? *handle : 0);
    return error;
}

static bool has_ended(const struct rw_serial_thread *thread)
{
    return ((const struct rw_serial_thread *)thread->object)->state == RW_SERIAL_ENDED;
}

static bool joins(const struct rw_serial_thread *thread, const struct rw_serial_thread *target)
{
    return thread->state == RW_SERIAL_BLOCKED && thread->is_ready == has_ended && thread->object == target;
}

/* What libc's join would wait for is waited for here. *error: what it would find without waiting, where the
 * result is not RW_SERIAL_GO. RW_SERIAL_NOT_OURS: ask libc. */
static enum rw_serial_outcome await_end(pthread_t pthread, uint64_t deadline, bool is_try, int *error)
{
    *error = ETIMEDOUT;
    struct rw_serial_thread *self = rw_serial_enter();
    if (!self)
        return RW_SERIAL_NOT_OURS;
    struct rw_serial_thread *target = rw_serial_find(pthread);
    enum rw_serial_outcome outcome = RW_SERIAL_NOT_OURS;
    if (!target || target == self || target->is_detached) {
        /* libc knows what is wrong with it */
    } else if (joins(target, self)) {
        *error = EDEADLK;
        outcome = RW_SERIAL_TIMED_OUT;
    } else if (is_try) {
        rw_serial_point(self, target);
        *error = EBUSY;
        outcome = target->state == RW_SERIAL_ENDED ? RW_SERIAL_GO : RW_SERIAL_TIMED_OUT;
    } else {
        rw_serial_wait_begin(self, has_ended, target, deadline);
        self->word = (const volatile uint32_t *)pthread; /* the thread's descriptor */
        outcome = rw_serial_wait(self);
    }
    rw_serial_leave(self);
    return outcome;
}

static void joined(pthread_t pthread, int result)
{
    struct rw_serial_thread *self = result == 0 ? rw_serial_enter() : NULL;
    if (!self)
        return;
    struct rw_serial_thread *target = rw_serial_find(pthread);
    if (target && target->state == RW_SERIAL_ENDED)
        rw_serial_free_thread(target);
    rw_serial_leave(self);
}

/* A thread that has ended for the model ends for libc at once. */
static int join_until(pthread_t thread, void **value, uint64_t deadline, bool is_try)
{
    int error;
    enum rw_serial_outcome outcome = await_end(thread, deadline, is_try, &error);
    if (outcome == RW_SERIAL_TIMED_OUT)
        return error;
    int result = outcome == RW_SERIAL_NOT_OURS && is_try ? rw_serial_libc.pthread_tryjoin_np(thread, value)
                                                         : rw_serial_libc.pthread_join(thread, value);
    joined(thread, result);
    return result;
}

static int join(pthread_t thread, void **value)
{
    return join_until(thread, value, RW_SERIAL_NEVER, false);
}

static int join_try(pthread_t thread, void **value)
{
    return join_until(thread, value, RW_SERIAL_NEVER, true);
}

static int join_clock(pthread_t thread, void **value, clockid_t clock, const struct timespec *deadline)
{
    return join_until(thread, value, deadline ? rw_serial_deadline(clock, deadline) : RW_SERIAL_NEVER, false);
}

static int join_timed(pthread_t thread, void **value, const struct timespec *deadline)
{
    return join_clock(thread, value, CLOCK_REALTIME, deadline);
}

static int join_c11(thrd_t thread, int *value)
{
    int error;
    enum rw_serial_outcome outcome = await_end(thread, RW_SERIAL_NEVER, false, &error);
    if (outcome == RW_SERIAL_TIMED_OUT)
        return thrd_error;
    int result = rw_serial_libc.thrd_join(thread, value);
    joined(thread, result != thrd_success);
    return result;
}

static void detached(pthread_t pthread)
{
    struct rw_serial_thread *self = rw_serial_enter();
    if (!self)
        return;
    struct rw_serial_thread *target = rw_serial_find(pthread);
    if (target && target->state == RW_SERIAL_ENDED)
        rw_serial_free_thread(target);
    else if (target)
        target->is_detached = true;
    rw_serial_leave(self);
}

static int detach(pthread_t thread)
{
    detached(thread);
    return rw_serial_libc.pthread_detach(thread);
}

static int detach_c11(thrd_t thread)
{
    detached(thread);
    return rw_serial_libc.thrd_detach(thread);
}

static pid_t fork_at_point(void)
{
    rw_serial_before(NULL);
    return rw_serial_libc.fork();
}

/* Runs no handlers, also not ours. */
static pid_t fork_bare(void)
{
    rw_serial_before(NULL);
    pid_t pid = rw_serial_libc._Fork();
    if (pid == 0)
        rw_serial_end();
    return pid;
}

static void exit_at_point(int status)
{
    rw_serial_before(NULL);
    rw_serial_libc.exit(status);
}

/* The child has one thread. It is an ordinary process from now on; nothing could bring it and its parent into
 * one order. */
void rw_serial_end(void)
{
    rw_real = rw_serial_libc;
    rw_perturb_mode = RW_PERTURB_OFF;
    rw_serial_self.thread = NULL;
    rw_serial_log_forget();
}

/* The handler of a fork is registered before any of the program's, so that it is the first to run in the
 * child. */
void rw_serial_life_install(void)
{
    has_key = pthread_key_create(&key, over) == 0;
    if (has_key)
        pthread_setspecific(key, rw_serial_self.thread);
    pthread_atfork(NULL, NULL, rw_serial_end);
    rw_real.pthread_create = create;
    rw_real.thrd_create = create_c11;
    rw_real.pthread_join = join;
    rw_real.pthread_tryjoin_np = join_try;
    rw_real.pthread_clockjoin_np = join_clock;
    rw_real.pthread_timedjoin_np = join_timed;
    rw_real.thrd_join = join_c11;
    rw_real.pthread_detach = detach;
    rw_real.thrd_detach = detach_c11;
    rw_real.fork = fork_at_point;
    rw_real._Fork = fork_bare;
    rw_real.exit = exit_at_point;
}
