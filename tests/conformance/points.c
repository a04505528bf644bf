/* SPDX-License-Identifier: MIT */
/* Where a cancellation that came before is acted on, and where not; and cancellation at any moment. */
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

#include "tests/conformance/behaviour.h"

extern char **environ;

static const struct timespec past = {.tv_sec = 1};
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, taken = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER, written = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t of_one, of_two;
static sem_t semaphore, none;
static pthread_t other;
static thrd_t other_c11;
static mtx_t c11_mutex;
static cnd_t c11_condition;

static _Atomic pid_t other_tid, other_c11_tid;

static void *nothing(void *unused)
{
    other_tid = gettid();
    return unused;
}

static int nothing_c11(void *unused)
{
    other_c11_tid = gettid();
    return unused != NULL;
}

/* A join of a thread that is gone does not block. */
static void await_gone(_Atomic pid_t *tid)
{
    while (*tid == 0 || tgkill(getpid(), *tid, 0) == 0)
        sched_yield();
}

static void in_fork(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    waitpid(pid, NULL, 0);
    pthread_setcancelstate(state, NULL);
}

static void in_spawn(void)
{
    char *arguments[] = {NULL};
    posix_spawn(&(pid_t){0}, "/nonexistent/nobody", NULL, NULL, arguments, environ);
}

/* Each in a thread that has been cancelled already. What it would block on is there, or its time is past. */
#define CALLS(CALL)                                                                                          \
    CALL(cond_timedwait, pthread_cond_timedwait(&condition, &mutex, &past))                                  \
    CALL(cond_clockwait, pthread_cond_clockwait(&condition, &mutex, CLOCK_MONOTONIC, &past))                 \
    CALL(cnd_timedwait, cnd_timedwait(&c11_condition, &c11_mutex, &past))                                    \
    CALL(sem_wait, sem_wait(&semaphore))                                                                     \
    CALL(sem_timedwait, sem_timedwait(&semaphore, &past))                                                    \
    CALL(sem_clockwait, sem_clockwait(&semaphore, CLOCK_MONOTONIC, &past))                                   \
    CALL(sem_trywait, sem_trywait(&semaphore))                                                               \
    CALL(sem_post, sem_post(&semaphore))                                                                     \
    CALL(join, pthread_join(other, NULL))                                                                    \
    CALL(timedjoin, pthread_timedjoin_np(other, NULL, &past))                                                \
    CALL(clockjoin, pthread_clockjoin_np(other, NULL, CLOCK_MONOTONIC, &past))                               \
    CALL(tryjoin, pthread_tryjoin_np(other, NULL))                                                           \
    CALL(thrd_join, thrd_join(other_c11, NULL))                                                              \
    CALL(nanosleep, nanosleep(&(struct timespec){0}, NULL))                                                  \
    CALL(clock_nanosleep, clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){0}, NULL))                  \
    CALL(usleep, usleep(0))                                                                                  \
    CALL(sleep, sleep(0))                                                                                    \
    CALL(mutex_lock, pthread_mutex_lock(&mutex))                                                             \
    CALL(mutex_timedlock, pthread_mutex_timedlock(&taken, &past))                                            \
    CALL(mutex_clocklock, pthread_mutex_clocklock(&taken, CLOCK_MONOTONIC, &past))                           \
    CALL(mtx_timedlock, mtx_timedlock((mtx_t *)&taken, &past))                                               \
    CALL(rdlock, pthread_rwlock_rdlock(&rwlock))                                                             \
    CALL(timedrdlock, pthread_rwlock_timedrdlock(&written, &past))                                           \
    CALL(clockwrlock, pthread_rwlock_clockwrlock(&written, CLOCK_MONOTONIC, &past))                          \
    CALL(barrier_wait, pthread_barrier_wait(&of_one))                                                        \
    CALL(cond_signal, pthread_cond_signal(&condition))                                                       \
    CALL(create, pthread_create(&other, NULL, nothing, NULL))                                                \
    CALL(setname, pthread_setname_np(pthread_self(), "cancelled"))                                           \
    CALL(sched_yield, sched_yield())                                                                         \
    CALL(setenv, setenv("CANCELLED", "1", 1))                                                                \
    CALL(prctl, prctl(PR_GET_DUMPABLE))                                                                      \
    CALL(sigaction, sigaction(SIGSEGV, NULL, NULL))                                                          \
    CALL(fork, in_fork())                                                                                    \
    CALL(posix_spawn, in_spawn())

#define FUNCTION(name, call)                                                                                 \
    static void point_##name(void)                                                                           \
    {                                                                                                        \
        call;                                                                                                \
    }
#define ROW(name, call) {#name, point_##name},

CALLS(FUNCTION)

static const struct point {
    const char *name;
    void (*call)(void);
} points[] = {CALLS(ROW)};

/* The order in which they run, a digit each. */
static int cleaned;

static void note(void *digit)
{
    cleaned = cleaned * 10 + *(int *)digit;
}

static void *call_cancelled(void *argument)
{
    const struct point *point = argument;
    int inner = 1, outer = 2;
    pthread_mutex_lock(&mutex);
    if (strcmp(point->name, "mutex_lock") == 0)
        pthread_mutex_unlock(&mutex);
    mtx_lock(&c11_mutex);
    pthread_cleanup_push(note, &outer);
    pthread_cleanup_push(note, &inner);
    pthread_cancel(pthread_self());
    point->call();
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

static void tell_point(const struct point *point)
{
    char name[64];
    pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    pthread_rwlock_t free_one = PTHREAD_RWLOCK_INITIALIZER;
    mutex = fresh;
    rwlock = free_one;
    mtx_init(&c11_mutex, mtx_plain);
    sem_init(&semaphore, 0, 1);
    other_tid = other_c11_tid = 0;
    pthread_create(&other, NULL, nothing, NULL);
    thrd_create(&other_c11, nothing_c11, NULL);
    await_gone(&other_tid);
    await_gone(&other_c11_tid);
    cleaned = 0;
    const long result = in_thread(call_cancelled, (void *)(uintptr_t)point) == PTHREAD_CANCELED;
    snprintf(name, sizeof name, " %s", point->name);
    tell(name, result * 100 + cleaned);
}

enum any { LOCK, TIMED_LOCK, READ, SEM, COND, BARRIER, JOIN, SPIN, ANY };

static const struct {
    const char *name;
    const void *object;
    size_t size;
} blocking[ANY] = {
    [LOCK] = {" mutex_lock", &taken, sizeof taken},
    [TIMED_LOCK] = {" mutex_timedlock", &taken, sizeof taken},
    [READ] = {" rwlock_rdlock", &written, sizeof written},
    [SEM] = {" sem_wait", &none, sizeof none},
    [COND] = {" cond_wait", &condition, sizeof condition},
    [BARRIER] = {" barrier_wait", &of_two, sizeof of_two},
    [JOIN] = {" join", NULL, 0},
    [SPIN] = {" lock and unlock", NULL, 0},
};

static _Atomic pid_t waiter;
static _Atomic long turns;

static void block_in(enum any wait)
{
    struct timespec later = in_ms(CLOCK_REALTIME, 60000);
    switch (wait) {
    case LOCK:
        pthread_mutex_lock(&taken);
        break;
    case TIMED_LOCK:
        pthread_mutex_timedlock(&taken, &later);
        break;
    case READ:
        pthread_rwlock_rdlock(&written);
        break;
    case SEM:
        sem_wait(&none);
        break;
    case COND:
        pthread_cond_wait(&condition, &mutex);
        break;
    case BARRIER:
        pthread_barrier_wait(&of_two);
        break;
    case JOIN:
        pthread_join(other, NULL);
        break;
    default:
        for (;; turns++)
            sched_yield();
    }
}

static void *block_asynchronously(void *wait)
{
    int inner = 1, outer = 2;
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push(note, &outer);
    pthread_cleanup_push(note, &inner);
    waiter = gettid();
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    block_in((enum any)(intptr_t)wait);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *sleep_on(void *unused)
{
    pause();
    return unused;
}

static void tell_asynchronous(enum any wait)
{
    pthread_t thread;
    pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    void *value = NULL;
    mutex = fresh;
    waiter = 0;
    cleaned = 0;
    turns = 0;
    pthread_create(&other, NULL, sleep_on, NULL);
    pthread_create(&thread, NULL, block_asynchronously, (void *)(intptr_t)wait);
    if (wait == SPIN) {
        while (turns < 100)
            sched_yield();
    } else {
        await_blocked(&waiter, SYS_futex, blocking[wait].object, blocking[wait].size);
    }
    pthread_cancel(thread);
    pthread_join(thread, &value);
    tell(blocking[wait].name, (value == PTHREAD_CANCELED) * 100 + cleaned);
    pthread_cancel(other);
    tell("  who was waited for is joined", pthread_join(other, NULL));
}

void tell_cancellation_points(const char *self)
{
    (void)self;
    pthread_mutex_lock(&taken);
    pthread_rwlock_wrlock(&written);
    pthread_barrier_init(&of_one, NULL, 1);
    pthread_barrier_init(&of_two, NULL, 2);
    cnd_init(&c11_condition);
    sem_init(&none, 0, 0);
    puts("cancelled before");
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++)
        tell_point(&points[i]);
    puts("cancelled asynchronously in");
    for (int wait = 0; wait < ANY; wait++)
        tell_asynchronous((enum any)wait);
    unsetenv("CANCELLED");
}
