/* SPDX-License-Identifier: MIT */
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

#include "tests/conformance/behaviour.h"

static const struct timespec past = {.tv_sec = 1}, bad = {.tv_nsec = 1000000000}, negative = {.tv_nsec = -1};

static void *try_it(void *mutex)
{
    return (void *)(intptr_t)pthread_mutex_trylock(mutex);
}

static void *unlock_it(void *mutex)
{
    return (void *)(intptr_t)pthread_mutex_unlock(mutex);
}

static void *lock_and_leave(void *mutex)
{
    return (void *)(intptr_t)pthread_mutex_lock(mutex);
}

static long from_thread(void *(*function)(void *), void *argument)
{
    return (long)(intptr_t)in_thread(function, argument);
}

static pthread_mutex_t make(int type, int protocol, int robust, int shared)
{
    pthread_mutex_t mutex;
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, type);
    pthread_mutexattr_setprotocol(&attributes, protocol);
    pthread_mutexattr_setrobust(&attributes, robust);
    pthread_mutexattr_setpshared(&attributes, shared);
    pthread_mutexattr_setprioceiling(&attributes, 1);
    pthread_mutex_init(&mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return mutex;
}

static void *timed_out(void *mutex)
{
    struct timespec real = in_ms(CLOCK_REALTIME, 2), monotonic = in_ms(CLOCK_MONOTONIC, 2);
    tell(" timedlock of a taken one", pthread_mutex_timedlock(mutex, &real));
    tell(" timedlock, past", pthread_mutex_timedlock(mutex, &past));
    tell(" timedlock, no time", pthread_mutex_timedlock(mutex, &bad));
    tell(" timedlock, negative", pthread_mutex_timedlock(mutex, &negative));
    tell(" clocklock, monotonic", pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &monotonic));
    tell(" clocklock, no clock", pthread_mutex_clocklock(mutex, 99, &monotonic));
    return NULL;
}

static void tell_kind(const char *name, pthread_mutex_t *mutex)
{
    struct timespec soon = in_ms(CLOCK_REALTIME, 2);
    printf("mutex, %s\n", name);
    tell(" lock", pthread_mutex_lock(mutex));
    tell(" trylock in another thread", from_thread(try_it, mutex));
    tell(" unlock in another thread", mutex->__data.__kind == 0 ? 0 : from_thread(unlock_it, mutex));
    in_thread(timed_out, mutex);
    tell(" trylock again", pthread_mutex_trylock(mutex));
    tell(" timedlock again", pthread_mutex_timedlock(mutex, &soon));
    tell(" unlock", pthread_mutex_unlock(mutex));
    tell(" timedlock of a free one, no time", pthread_mutex_timedlock(mutex, &bad));
    tell(" clocklock of a free one, no clock", pthread_mutex_clocklock(mutex, 99, &soon));
}

static void tell_robust(int protocol, const char *name)
{
    pthread_mutex_t mutex = make(PTHREAD_MUTEX_NORMAL, protocol, PTHREAD_MUTEX_ROBUST, 0);
    printf("mutex, %s, owner gone\n", name);
    tell(" lock and leave", from_thread(lock_and_leave, &mutex));
    tell(" lock", pthread_mutex_lock(&mutex));
    tell(" consistent", pthread_mutex_consistent(&mutex));
    tell(" unlock", pthread_mutex_unlock(&mutex));
    tell(" lock and leave again", from_thread(lock_and_leave, &mutex));
    tell(" trylock", pthread_mutex_trylock(&mutex));
    tell(" unlock, not consistent", pthread_mutex_unlock(&mutex));
    tell(" lock of what cannot be recovered", pthread_mutex_lock(&mutex));
    tell(" destroy", pthread_mutex_destroy(&mutex));
}

static void *count_up(void *argument)
{
    static int count;
    pthread_mutex_t *mutex = argument;
    for (int i = 0; i < 20000; i++) {
        pthread_mutex_lock(mutex);
        count++;
        pthread_mutex_unlock(mutex);
    }
    return (void *)(intptr_t)count;
}

static void tell_contended(void)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, count_up, &mutex);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    tell("mutex, contended: counted", from_thread(count_up, &mutex));
}

static void tell_c11(void)
{
    mtx_t mutex;
    struct timespec soon = in_ms(CLOCK_REALTIME, 2);
    tell("mtx_init", mtx_init(&mutex, mtx_timed | mtx_recursive));
    tell(" mtx_lock", mtx_lock(&mutex));
    tell(" mtx_lock again", mtx_lock(&mutex));
    tell(" mtx_timedlock", mtx_timedlock(&mutex, &soon));
    tell(" mtx_trylock", mtx_trylock(&mutex));
    tell(" mtx_unlock", mtx_unlock(&mutex));
    mtx_t plain;
    mtx_init(&plain, mtx_timed);
    mtx_lock(&plain);
    tell(" mtx_trylock of a taken one", mtx_trylock(&plain));
    soon = in_ms(CLOCK_REALTIME, 2);
    tell(" mtx_timedlock of a taken one", mtx_timedlock(&plain, &soon));
}

void tell_mutexes(const char *self)
{
    (void)self;
    static pthread_mutex_t fixed = PTHREAD_MUTEX_INITIALIZER,
                           recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP,
                           checked = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP,
                           adaptive = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
    pthread_mutex_t inherit = make(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_INHERIT, 0, 0);
    pthread_mutex_t inherit_recursive = make(PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_INHERIT, 0, 0);
    pthread_mutex_t protect = make(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_PROTECT, 0, 0);
    tell_kind("static", &fixed);
    tell_kind("static recursive", &recursive);
    tell_kind("static errorcheck", &checked);
    tell_kind("static adaptive", &adaptive);
    tell_kind("priority inheritance, errorcheck", &inherit);
    tell_kind("priority inheritance, recursive", &inherit_recursive);
    tell_kind("priority ceiling", &protect);
    tell_robust(PTHREAD_PRIO_NONE, "robust");
    tell_robust(PTHREAD_PRIO_INHERIT, "robust with inheritance");
    tell_contended();
    tell_c11();
}

static pthread_cond_t with_clock(clockid_t clock)
{
    pthread_cond_t condition;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, clock);
    pthread_cond_init(&condition, &attributes);
    return condition;
}

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    int turn;
} game = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

static void *play(void *unused)
{
    pthread_mutex_lock(&game.mutex);
    for (int i = 0; i < 1000; i++) {
        while (game.turn != 1)
            pthread_cond_wait(&game.condition, &game.mutex);
        game.turn = 0;
        pthread_cond_signal(&game.condition);
    }
    pthread_mutex_unlock(&game.mutex);
    return unused;
}

void tell_conditions(const char *self)
{
    (void)self;
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_t checked = make(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE, 0, 0);
    pthread_cond_t real = with_clock(CLOCK_REALTIME), monotonic = with_clock(CLOCK_MONOTONIC);
    struct timespec when;
    pthread_mutex_lock(&mutex);
    when = in_ms(CLOCK_REALTIME, 3);
    tell("cond_timedwait", pthread_cond_timedwait(&real, &mutex, &when));
    when = in_ms(CLOCK_MONOTONIC, 3);
    tell("cond_timedwait, monotonic", pthread_cond_timedwait(&monotonic, &mutex, &when));
    when = in_ms(CLOCK_MONOTONIC, 3);
    tell("cond_clockwait", pthread_cond_clockwait(&real, &mutex, CLOCK_MONOTONIC, &when));
    tell("cond_clockwait, no clock", pthread_cond_clockwait(&real, &mutex, 99, &when));
    tell("cond_timedwait, no time", pthread_cond_timedwait(&real, &mutex, &bad));
    pthread_mutex_unlock(&mutex);
    when = in_ms(CLOCK_REALTIME, 3);
    tell("cond_timedwait, mutex not owned", pthread_cond_timedwait(&real, &checked, &when));
    pthread_t thread;
    pthread_create(&thread, NULL, play, NULL);
    pthread_mutex_lock(&game.mutex);
    for (int i = 0; i < 1000; i++) {
        game.turn = 1;
        pthread_cond_signal(&game.condition);
        while (game.turn != 0)
            pthread_cond_wait(&game.condition, &game.mutex);
    }
    pthread_mutex_unlock(&game.mutex);
    tell("cond_wait, a game of a thousand turns", pthread_join(thread, NULL));
    cnd_t c11;
    mtx_t c11_mutex;
    cnd_init(&c11);
    mtx_init(&c11_mutex, mtx_plain);
    mtx_lock(&c11_mutex);
    when = in_ms(CLOCK_REALTIME, 3);
    tell("cnd_timedwait", cnd_timedwait(&c11, &c11_mutex, &when));
}

static void *post(void *semaphore)
{
    return (void *)(intptr_t)sem_post(semaphore);
}

void tell_semaphores(const char *self)
{
    (void)self;
    sem_t semaphore, many;
    int value;
    struct timespec when;
    sem_init(&semaphore, 0, 1);
    TELL_ERRNO("sem_wait", sem_wait(&semaphore));
    TELL_ERRNO("sem_trywait of none", sem_trywait(&semaphore));
    when = in_ms(CLOCK_REALTIME, 3);
    TELL_ERRNO("sem_timedwait of none", sem_timedwait(&semaphore, &when));
    when = in_ms(CLOCK_MONOTONIC, 3);
    TELL_ERRNO("sem_clockwait of none", sem_clockwait(&semaphore, CLOCK_MONOTONIC, &when));
    TELL_ERRNO("sem_clockwait, no clock", sem_clockwait(&semaphore, 99, &when));
    TELL_ERRNO("sem_timedwait, no time", sem_timedwait(&semaphore, &bad));
    in_thread(post, &semaphore);
    errno = 77;
    tell("sem_wait after a post leaves errno", sem_wait(&semaphore) == 0 ? errno : -1);
    sem_post(&semaphore);
    TELL_ERRNO("sem_timedwait of one, no time", sem_timedwait(&semaphore, &bad));
    TELL_ERRNO("sem_clockwait of one, no clock", sem_clockwait(&semaphore, 99, &when));
    sem_getvalue(&semaphore, &value);
    tell("sem_getvalue", value);
    TELL_ERRNO("sem_init of the most", sem_init(&many, 0, 0x7fffffff));
    TELL_ERRNO("sem_post of the most", sem_post(&many));
    TELL_ERRNO("sem_destroy", sem_destroy(&many));
    sem_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sem_init(shared, 1, 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(sem_post(shared));
    TELL_ERRNO("sem_wait for another process", sem_wait(shared));
    waitpid(pid, NULL, 0);
}

static void *try_write(void *lock)
{
    struct timespec when = in_ms(CLOCK_REALTIME, 2), monotonic = in_ms(CLOCK_MONOTONIC, 2);
    tell(" timedwrlock in another thread", pthread_rwlock_timedwrlock(lock, &when));
    tell(" clockwrlock in another thread", pthread_rwlock_clockwrlock(lock, CLOCK_MONOTONIC, &monotonic));
    tell(" clockwrlock, no clock", pthread_rwlock_clockwrlock(lock, 99, &monotonic));
    tell(" timedrdlock, no time", pthread_rwlock_timedrdlock(lock, &bad));
    tell(" trywrlock", pthread_rwlock_trywrlock(lock));
    return NULL;
}

static void *meet(void *barrier)
{
    return (void *)(intptr_t)pthread_barrier_wait(barrier);
}

void tell_rwlocks_and_barriers(const char *self)
{
    (void)self;
    static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
    struct timespec when;
    tell("rwlock, rdlock", pthread_rwlock_rdlock(&lock));
    tell(" rdlock again", pthread_rwlock_rdlock(&lock));
    in_thread(try_write, &lock);
    tell(" unlock", pthread_rwlock_unlock(&lock) + pthread_rwlock_unlock(&lock));
    tell(" wrlock", pthread_rwlock_wrlock(&lock));
    tell(" wrlock by its writer", pthread_rwlock_wrlock(&lock));
    tell(" rdlock by its writer", pthread_rwlock_rdlock(&lock));
    when = in_ms(CLOCK_REALTIME, 2);
    tell(" timedwrlock by its writer", pthread_rwlock_timedwrlock(&lock, &when));
    in_thread(try_write, &lock);
    tell(" unlock", pthread_rwlock_unlock(&lock));
    pthread_barrier_t barrier;
    pthread_t threads[3];
    tell("barrier of none", pthread_barrier_init(&barrier, NULL, 0));
    pthread_barrier_init(&barrier, NULL, 4);
    long serial = 0;
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, meet, &barrier);
    serial += pthread_barrier_wait(&barrier);
    for (int i = 0; i < 3; i++) {
        void *value;
        pthread_join(threads[i], &value);
        serial += (long)(intptr_t)value;
    }
    tell("barrier_wait: all results", serial);
}
