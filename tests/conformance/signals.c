/* SPDX-License-Identifier: MIT */
/* Signals to threads that wait: what is interrupted, what goes on. Each is sent when the thread is known to
 * be blocked, so nothing hangs on time. */
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/conformance/behaviour.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static sem_t semaphore;
static int ends[2];
static int is_signalled;
static pthread_t sleeper;
static _Atomic int caught;
static _Atomic pid_t waiter_tid;

static void handle(int signal)
{
    (void)signal;
    caught++;
}

static void *sleep_on(void *unused)
{
    pause();
    return unused;
}

enum wait {
    SEM,
    SEM_TIMED,
    SEM_CLOCK,
    MUTEX,
    MUTEX_TIMED,
    COND,
    COND_TIMED,
    READ_LOCK,
    JOIN,
    READ,
    POLL,
    SLEEP,
    WAITS
};

static long wait_for(enum wait wait)
{
    struct timespec later = in_ms(CLOCK_REALTIME, 20000), monotonic = in_ms(CLOCK_MONOTONIC, 20000);
    struct timespec soon = in_ms(CLOCK_REALTIME, 800), pause = {.tv_sec = 20};
    struct pollfd poll_fd = {.fd = ends[0], .events = POLLIN};
    char byte;
    long result = 0;
    errno = 0;
    switch (wait) {
    case SEM:
        return sem_wait(&semaphore) ? -errno : 0;
    case SEM_TIMED:
        return sem_timedwait(&semaphore, &later) ? -errno : 0;
    case SEM_CLOCK:
        return sem_clockwait(&semaphore, CLOCK_MONOTONIC, &monotonic) ? -errno : 0;
    case MUTEX:
        result = pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
        return result;
    case MUTEX_TIMED:
        result = pthread_mutex_timedlock(&mutex, &later);
        pthread_mutex_unlock(&mutex);
        return result;
    case COND:
        pthread_mutex_lock(&mutex);
        while (!is_signalled && result == 0)
            result = pthread_cond_wait(&condition, &mutex);
        pthread_mutex_unlock(&mutex);
        return result;
    case COND_TIMED:
        pthread_mutex_lock(&mutex);
        while (result == 0)
            result = pthread_cond_timedwait(&condition, &mutex, &soon);
        pthread_mutex_unlock(&mutex);
        return result;
    case READ_LOCK:
        result = pthread_rwlock_rdlock(&rwlock);
        pthread_rwlock_unlock(&rwlock);
        return result;
    case JOIN:
        return pthread_join(sleeper, NULL);
    case READ:
        return read(ends[0], &byte, 1) < 0 ? -errno : byte;
    case POLL:
        return poll(&poll_fd, 1, 20000) < 0 ? -errno : poll_fd.revents;
    default:
        return nanosleep(&pause, NULL) ? -errno : 0;
    }
}

static void *wait_in_thread(void *which)
{
    waiter_tid = gettid();
    return (void *)wait_for((enum wait)(intptr_t)which);
}

/* Until the thread is in the system call in which it waits, and not on its way there. A join's futex is the
 * thread's own. */
static void wait_until_blocked(enum wait wait)
{
    static const struct {
        const void *begin;
        size_t size;
    } objects[WAITS] = {
        [SEM] = {&semaphore, sizeof semaphore},        [SEM_TIMED] = {&semaphore, sizeof semaphore},
        [SEM_CLOCK] = {&semaphore, sizeof semaphore},  [MUTEX] = {&mutex, sizeof mutex},
        [MUTEX_TIMED] = {&mutex, sizeof mutex},        [COND] = {&condition, sizeof condition},
        [COND_TIMED] = {&condition, sizeof condition}, [READ_LOCK] = {&rwlock, sizeof rwlock},
    };
    const long call = wait == READ    ? SYS_read
                      : wait == POLL  ? SYS_poll
                      : wait == SLEEP ? SYS_clock_nanosleep
                                      : SYS_futex;
    await_blocked(&waiter_tid, call, objects[wait].begin, objects[wait].size);
}

static void prepare(void)
{
    is_signalled = 0;
    waiter_tid = 0;
    pthread_mutex_lock(&mutex);
    pthread_rwlock_wrlock(&rwlock);
}

/* What those wait for that the signal did not end. */
static void release(enum wait wait)
{
    pthread_rwlock_unlock(&rwlock);
    if (wait != COND && wait != COND_TIMED)
        pthread_mutex_unlock(&mutex);
    if (wait == SEM)
        sem_post(&semaphore);
    if (wait == READ && write(ends[1], "r", 1) != 1)
        abort();
    if (wait == COND) {
        pthread_mutex_lock(&mutex);
        is_signalled = 1;
        pthread_cond_broadcast(&condition);
        pthread_mutex_unlock(&mutex);
    }
    if (wait == JOIN)
        pthread_cancel(sleeper);
}

static void tell_one(enum wait wait, const char *name, bool restarts)
{
    pthread_t thread;
    void *value;
    prepare();
    if (wait == COND || wait == COND_TIMED) /* these take it themselves */
        pthread_mutex_unlock(&mutex);
    if (wait == JOIN)
        pthread_create(&sleeper, NULL, sleep_on, NULL);
    int before = caught;
    pthread_create(&thread, NULL, wait_in_thread, (void *)(intptr_t)wait);
    wait_until_blocked(wait);
    pthread_kill(thread, SIGUSR1);
    while (caught == before)
        sched_yield();
    if (!restarts && (wait == SEM || wait == READ)) {
        pthread_join(thread, &value);
        release(SLEEP);
    } else {
        release(wait);
        pthread_join(thread, &value);
    }
    tell(name, (long)(intptr_t)value);
}

static void tell_waits(int flags)
{
    static const char *const names[WAITS] = {
        " sem_wait",  " sem_timedwait",  " sem_clockwait", " mutex_lock", " mutex_timedlock",
        " cond_wait", " cond_timedwait", " rwlock_rdlock", " join",       " read",
        " poll",      " nanosleep"};
    struct sigaction action = {.sa_handler = handle, .sa_flags = flags}, old;
    printf("a signal%s\n", flags ? " with SA_RESTART" : "");
    sigaction(SIGUSR1, &action, &old);
    for (int wait = 0; wait < WAITS; wait++)
        tell_one((enum wait)wait, names[wait], flags != 0);
    sigaction(SIGUSR1, &old, NULL);
}

static void post_in_handler(int signal)
{
    (void)signal;
    sem_post(&semaphore); /* the one that a handler may call */
}

static void *mask_of_thread(void *unused)
{
    sigset_t mask;
    (void)unused;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    long members = 0;
    for (int signal = 1; signal < 32; signal++)
        members |= (long)sigismember(&mask, signal) << signal;
    return (void *)members;
}

static void tell_masks(void)
{
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    tell("mask of a new thread", (long)(intptr_t)in_thread(mask_of_thread, NULL));
    kill(getpid(), SIGUSR2);
    int number = 0;
    tell("sigwait", sigwait(&set, &number));
    tell(" which", number);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    stack_t stack = {.ss_flags = 99};
    sigaltstack(NULL, &stack);
    tell("alternate stack is off", stack.ss_flags);
}

void tell_signals(const char *self)
{
    (void)self;
    if (pipe(ends))
        return;
    sem_init(&semaphore, 0, 0);
    tell_waits(0);
    tell_waits(SA_RESTART);
    struct sigaction action = {.sa_handler = post_in_handler}, old;
    sigaction(SIGUSR1, &action, &old);
    raise(SIGUSR1);
    TELL_ERRNO("a handler's sem_post", sem_trywait(&semaphore));
    sigaction(SIGUSR1, &old, NULL);
    tell_masks();
    long own_handlers = 0;
    for (int signal = 1; signal < NSIG; signal++) {
        struct sigaction present;
        if (sigaction(signal, NULL, &present) == 0 && present.sa_handler != SIG_DFL &&
            present.sa_handler != SIG_IGN)
            own_handlers++;
    }
    tell("signals with a handler", own_handlers);
    close(ends[0]);
    close(ends[1]);
}
