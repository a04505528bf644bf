/* SPDX-License-Identifier: MIT */
/*
 * A program whose threads wait in every way there is, each in a function of its own. Writes "ready" to its
 * stdout when all threads have been made and the one that runs does, and a line for each wait that ends,
 * which none may. Arguments: exit-main (the main thread ends by pthread_exit), spin (one more thread that
 * runs), many N (N more that wait), private (may not be traced but by root).
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock_a = PTHREAD_MUTEX_INITIALIZER, lock_b = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t lock_pi, lock_robust, lock_of_cond = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t both, never, begun;
static sem_t semaphore;
static pthread_t first;

static void ended(const char *what)
{
    char line[100];
    int length = snprintf(line, sizeof(line), "%s ended: %s\n", what, strerror(errno));

    if (write(1, line, (size_t)length) < 0)
        abort();
}

#define WAITER(name, ...)                                                                                    \
    __attribute__((noinline)) static void *name(void *opaque)                                                \
    {                                                                                                        \
        __VA_ARGS__;                                                                                         \
        ended(#name);                                                                                        \
        return opaque;                                                                                       \
    }

WAITER(wait_a_then_b, pthread_mutex_lock(&lock_a); pthread_barrier_wait(&both); pthread_mutex_lock(&lock_b))
WAITER(wait_b_then_a, pthread_mutex_lock(&lock_b); pthread_barrier_wait(&both); pthread_mutex_lock(&lock_a))
WAITER(wait_pi, pthread_mutex_lock(&lock_pi))
WAITER(wait_robust, pthread_mutex_lock(&lock_robust))
WAITER(wait_write, pthread_rwlock_wrlock(&rwlock))
WAITER(wait_read_lock, pthread_rwlock_rdlock(&rwlock))
WAITER(wait_cond, pthread_mutex_lock(&lock_of_cond); pthread_cond_wait(&cond, &lock_of_cond))
WAITER(wait_semaphore, sem_wait(&semaphore))
WAITER(wait_barrier, pthread_barrier_wait(&never))
WAITER(wait_join, pthread_join(first, NULL))
WAITER(wait_sleep, struct timespec day = {86400, 0}; nanosleep(&day, NULL))
WAITER(wait_pause, pause())

WAITER(wait_semaphore_until, struct timespec end; clock_gettime(CLOCK_REALTIME, &end); end.tv_sec += 1000;
       sem_timedwait(&semaphore, &end))

WAITER(wait_epoll, struct epoll_event event; epoll_wait(epoll_create1(0), &event, 1, -1))
WAITER(wait_pipe, int ends[2]; char byte; if (pipe(ends) == 0 && read(ends[0], &byte, 1) < 0) errno = 0)

/* Its table names a handler of exceptions, as that of most C++ functions does. */
static void let_go(volatile int *what)
{
    *what = 0;
}
WAITER(wait_with_handler, __attribute__((cleanup(let_go), unused)) volatile int what = 1; pause())

static inline __attribute__((always_inline)) void innermost_inline(void)
{
    for (;;)
        pause();
}

static inline __attribute__((always_inline)) void middle_inline(void)
{
    innermost_inline();
}
WAITER(wait_inlined, middle_inline())

static void stay(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        pause();
}
WAITER(wait_child, pid_t child = fork(); if (child == 0) stay(); waitpid(child, NULL, 0))

/* More stack than a copy holds: frames of 1 KiB each. */
__attribute__((noinline)) static int descend(int depth)
{
    volatile char room[1024];

    memset((void *)(uintptr_t)room, depth, sizeof(room));
    if (depth == 0)
        pause();
    return depth == 0 ? room[0] : descend(depth - 1) + room[1];
}
WAITER(wait_deep, descend(100))

/* In a handler that runs on a stack of its own. */
static volatile int handled;

static void handle(int number)
{
    pause();
    handled = number;
}

static void interrupt(void)
{
    static char own_stack[64 * 1024];
    stack_t stack = {.ss_sp = own_stack, .ss_size = sizeof(own_stack)};
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_ONSTACK};

    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
}
WAITER(wait_handler, interrupt())

WAITER(wait_raw_futex, static int word; syscall(SYS_futex, &word, 0, 0, NULL, NULL, 0))

/* The initialiser may wait for what it likes; who calls it a second time waits for it. */
static pthread_once_t control = PTHREAD_ONCE_INIT;

static void initialise(void)
{
    static int word;

    pthread_barrier_wait(&begun);
    syscall(SYS_futex, &word, 0, 0, NULL, NULL, 0);
}
WAITER(run_once, pthread_once(&control, initialise))
WAITER(wait_once, pthread_barrier_wait(&begun); pthread_once(&control, initialise))

static void *(*const waiters[])(void *) = {
    wait_b_then_a,  wait_pi,      wait_robust, wait_write,        wait_read_lock, wait_cond,
    wait_semaphore, wait_barrier, wait_join,   wait_sleep,        wait_pause,     wait_semaphore_until,
    wait_inlined,   wait_epoll,   wait_pipe,   wait_child,        wait_deep,      wait_raw_futex,
    wait_handler,   run_once,     wait_once,   wait_with_handler,
};

static volatile unsigned long turns;

static void *spin(void *opaque)
{
    for (;;)
        turns++;
    return opaque;
}

static void make_locks(void)
{
    pthread_mutexattr_t kind;

    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setprotocol(&kind, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&lock_pi, &kind);
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&lock_robust, &kind);
    pthread_barrier_init(&both, NULL, 2);
    pthread_barrier_init(&never, NULL, 2);
    pthread_barrier_init(&begun, NULL, 2);
    sem_init(&semaphore, 0, 0);
    pthread_mutex_lock(&lock_pi);
    pthread_mutex_lock(&lock_robust);
    pthread_rwlock_wrlock(&rwlock);
}

static void start(void *(*function)(void *))
{
    pthread_attr_t small;
    pthread_t thread;

    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 * 1024);
    if (pthread_create(function == wait_a_then_b ? &first : &thread, &small, function, NULL) != 0)
        abort();
}

int main(int argc, char **argv)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    make_locks();
    start(wait_a_then_b);
    const char *how = argc > 1 ? argv[1] : "";
    /* The kernel hands these two on when their owner ends. */
    bool is_staying = strcmp(how, "exit-main") != 0;
    for (size_t i = 0; i < sizeof(waiters) / sizeof(waiters[0]); i++)
        if (is_staying || (waiters[i] != wait_pi && waiters[i] != wait_robust))
            start(waiters[i]);
    if (strcmp(how, "spin") == 0)
        start(spin);
    while (strcmp(how, "spin") == 0 && turns == 0)
        sched_yield();
    for (int i = strcmp(how, "many") == 0 && argc > 2 ? atoi(argv[2]) : 0; i > 0; i--)
        start(wait_semaphore);
    if (strcmp(how, "private") == 0)
        prctl(PR_SET_DUMPABLE, 0);
    if (write(1, "ready\n", 6) != 6)
        return 1;
    if (!is_staying) {
        pthread_mutex_unlock(&lock_pi);
        pthread_mutex_unlock(&lock_robust);
        pthread_exit(NULL);
    }
    pthread_join(first, NULL);
    return 0;
}
