/* SPDX-License-Identifier: MIT */
/* Waits: that hang, that end as they should, that are cancelled. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/shim/subject_cases.h"

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t both;
static sem_t semaphore;

static void *take_second_then_first(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&second);
    pthread_barrier_wait(&both);
    pthread_mutex_lock(&first);
    return NULL;
}

int case_deadlock(void)
{
    pthread_t thread;
    CHECK(pthread_barrier_init(&both, NULL, 2) == 0);
    CHECK(pthread_create(&thread, NULL, take_second_then_first, NULL) == 0);
    CHECK(pthread_setname_np(thread, "second first") == 0);
    pthread_mutex_lock(&first);
    pthread_barrier_wait(&both);
    pthread_mutex_lock(&second);
    return 1;
}

static struct timespec past(void)
{
    return (struct timespec){.tv_sec = 1};
}

static void *own_nothing(void *mutex)
{
    struct timespec deadline = past();
    long wrong = 0;
    wrong += pthread_mutex_trylock(mutex) != EBUSY;
    wrong += pthread_mutex_timedlock(mutex, &deadline) != ETIMEDOUT;
    wrong += pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &deadline) != ETIMEDOUT;
    wrong += pthread_mutex_clocklock(mutex, 77, &deadline) != EINVAL;
    return (void *)wrong;
}

static void interrupted(int signal)
{
    (void)signal;
}

static int check_mutexes(void)
{
    pthread_mutexattr_t attributes;
    pthread_mutex_t checked, recursive;
    pthread_t thread;
    void *wrong;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&checked, &attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&recursive, &attributes);
    CHECK(pthread_mutex_lock(&checked) == 0);
    CHECK(pthread_mutex_lock(&checked) == EDEADLK);
    CHECK(pthread_mutex_lock(&recursive) == 0);
    CHECK(pthread_mutex_lock(&recursive) == 0);
    CHECK(pthread_mutex_unlock(&recursive) == 0);
    CHECK(pthread_create(&thread, NULL, own_nothing, &recursive) == 0);
    CHECK(pthread_join(thread, &wrong) == 0 && wrong == NULL);
    CHECK(pthread_mutex_unlock(&recursive) == 0);
    CHECK(pthread_mutex_unlock(&recursive) == EPERM);
    return 0;
}

static int check_rwlocks(void)
{
    pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
    struct timespec deadline = past(), none = {.tv_nsec = -1};
    CHECK(pthread_rwlock_timedrdlock(&lock, &none) == EINVAL);
    CHECK(pthread_rwlock_wrlock(&lock) == 0);
    CHECK(pthread_rwlock_wrlock(&lock) == EDEADLK);
    CHECK(pthread_rwlock_rdlock(&lock) == EDEADLK);
    CHECK(pthread_rwlock_unlock(&lock) == 0);
    CHECK(pthread_rwlock_rdlock(&lock) == 0);
    CHECK(pthread_rwlock_rdlock(&lock) == 0);
    CHECK(pthread_rwlock_timedwrlock(&lock, &deadline) == ETIMEDOUT);
    CHECK(pthread_rwlock_clockwrlock(&lock, CLOCK_MONOTONIC, &deadline) == ETIMEDOUT);
    CHECK(pthread_rwlock_clockwrlock(&lock, 77, &deadline) == EINVAL);
    return 0;
}

static int check_semaphores(void)
{
    struct timespec deadline = past(), none = {.tv_nsec = 1000000000};
    struct sigaction action = {.sa_handler = interrupted};
    const struct itimerval soon = {.it_interval = {.tv_usec = 20000}, .it_value = {.tv_usec = 20000}},
                           never = {0};
    CHECK(sem_init(&semaphore, 0, 1) == 0);
    errno = 77;
    CHECK(sem_wait(&semaphore) == 0 && errno == 77);
    CHECK(sem_trywait(&semaphore) == -1 && errno == EAGAIN);
    CHECK(sem_timedwait(&semaphore, &deadline) == -1 && errno == ETIMEDOUT);
    CHECK(sem_clockwait(&semaphore, CLOCK_MONOTONIC, &deadline) == -1 && errno == ETIMEDOUT);
    CHECK(sem_timedwait(&semaphore, &none) == -1 && errno == EINVAL);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
    CHECK(sem_wait(&semaphore) == -1 && errno == EINTR);
    setitimer(ITIMER_REAL, &never, NULL);
    CHECK(sem_post(&semaphore) == 0);
    errno = 77;
    CHECK(sem_timedwait(&semaphore, &deadline) == 0 && errno == 77);
    return 0;
}

static int check_c11(void)
{
    mtx_t mutex;
    cnd_t changed;
    struct timespec deadline = past();
    CHECK(mtx_init(&mutex, mtx_timed) == thrd_success && cnd_init(&changed) == thrd_success);
    CHECK(mtx_lock(&mutex) == thrd_success);
    CHECK(mtx_timedlock(&mutex, &deadline) == thrd_timedout);
    CHECK(cnd_timedwait(&changed, &mutex, &deadline) == thrd_timedout);
    return 0;
}

int case_semantics(void)
{
    struct timespec deadline = past();
    CHECK(check_mutexes() == 0);
    CHECK(check_rwlocks() == 0);
    CHECK(check_semaphores() == 0);
    CHECK(check_c11() == 0);
    pthread_mutex_lock(&first);
    CHECK(pthread_cond_timedwait(&condition, &first, &deadline) == ETIMEDOUT);
    CHECK(pthread_cond_clockwait(&condition, &first, CLOCK_MONOTONIC, &deadline) == ETIMEDOUT);
    CHECK(pthread_barrier_init(&both, NULL, 1) == 0);
    CHECK(pthread_barrier_wait(&both) == PTHREAD_BARRIER_SERIAL_THREAD);
    return 0;
}

static void unlock(void *mutex)
{
    pthread_mutex_unlock(mutex);
}

static void *wait_for_condition(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&first);
    pthread_cleanup_push(unlock, &first);
    for (;;)
        pthread_cond_wait(&condition, &first);
    pthread_cleanup_pop(1);
    return NULL;
}

static void *wait_for_semaphore(void *unused)
{
    sem_wait(&semaphore);
    return unused;
}

static void *wait_for_thread(void *thread)
{
    pthread_join(*(pthread_t *)thread, NULL);
    return NULL;
}

int case_cancel(void)
{
    pthread_t condition_waiter, semaphore_waiter, joiner;
    void *result;
    CHECK(sem_init(&semaphore, 0, 0) == 0);
    CHECK(pthread_create(&condition_waiter, NULL, wait_for_condition, NULL) == 0);
    CHECK(pthread_create(&semaphore_waiter, NULL, wait_for_semaphore, NULL) == 0);
    CHECK(pthread_create(&joiner, NULL, wait_for_thread, &semaphore_waiter) == 0);
    CHECK(pthread_cancel(joiner) == 0 && pthread_join(joiner, &result) == 0 && result == PTHREAD_CANCELED);
    CHECK(pthread_cancel(semaphore_waiter) == 0);
    CHECK(pthread_join(semaphore_waiter, &result) == 0 && result == PTHREAD_CANCELED);
    CHECK(pthread_cancel(condition_waiter) == 0);
    CHECK(pthread_join(condition_waiter, &result) == 0 && result == PTHREAD_CANCELED);
    CHECK(pthread_mutex_trylock(&first) == 0); /* its cleanup handler ran */
    return 0;
}

typedef int timedwait_fn(void *, pthread_mutex_t *, const struct timespec *);

typedef int create_fn(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
extern create_fn create_2_2_5, create_2_34;
extern timedwait_fn timedwait_2_3_2;
__asm__(".symver create_2_2_5, pthread_create@GLIBC_2.2.5");
__asm__(".symver create_2_34, pthread_create@GLIBC_2.34");
__asm__(".symver timedwait_2_3_2, pthread_cond_timedwait@GLIBC_2.3.2");

static bool is_wrapped(void *function)
{
    Dl_info where;
    return dladdr(function, &where) && strstr(where.dli_fname, "racewatch");
}

int case_versions(void)
{
    struct timespec deadline = past();
    void *old_condition = NULL; /* was a pointer to what the functions allocate */
    timedwait_fn *old = (timedwait_fn *)dlvsym(RTLD_DEFAULT, "pthread_cond_timedwait", "GLIBC_2.2.5");
    timedwait_fn *present = (timedwait_fn *)dlvsym(RTLD_DEFAULT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    timedwait_fn *plain = (timedwait_fn *)dlsym(RTLD_DEFAULT, "pthread_cond_timedwait");
    CHECK(old && present && old != present && plain == present);
    pthread_mutex_lock(&first);
    CHECK(old(&old_condition, &first, &deadline) == ETIMEDOUT && old_condition != NULL);
    CHECK(present(&condition, &first, &deadline) == ETIMEDOUT);
    /* Programs ask for functions by version. The shim has these without one, which the loader takes for any.
     */
    CHECK(is_wrapped((void *)create_2_2_5) && is_wrapped((void *)create_2_34) &&
          is_wrapped((void *)timedwait_2_3_2));
    return 0;
}

static void *take_later_and_wait(void *unused)
{
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do
        clock_gettime(CLOCK_MONOTONIC, &now); /* so that its begin and its taking are two moments */
    while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 < 50);
    sem_wait(&semaphore);
    sem_wait(&semaphore);
    return unused;
}

int case_semaphore_taken(void)
{
    static sem_t mains;
    pthread_t thread;
    CHECK(sem_init(&mains, 0, 1) == 0 && sem_init(&semaphore, 0, 1) == 0);
    CHECK(sem_trywait(&mains) == 0);
    CHECK(sem_post(&mains) == 0); /* its entry is free again */
    CHECK(sem_trywait(&mains) == 0);
    CHECK(pthread_create(&thread, NULL, take_later_and_wait, NULL) == 0);
    pthread_join(thread, NULL);
    return 1;
}

int case_many_semaphores(void)
{
    enum { COUNT = 300, GIVEN = 50 };
    static sem_t many[COUNT];
    for (int i = 0; i < COUNT; i++)
        CHECK(sem_init(&many[i], 0, 1) == 0 && sem_trywait(&many[i]) == 0);
    for (int i = 0; i < COUNT; i += 2)
        CHECK(sem_post(&many[i]) == 0);
    for (int i = 0; i < COUNT; i += 2)
        CHECK(sem_trywait(&many[i]) == 0);
    for (int i = COUNT - GIVEN; i < COUNT; i++)
        CHECK(sem_post(&many[i]) == 0);
    pid_t child = fork();
    if (child == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return 1;
    CHECK(child >= 0);
    sem_wait(&many[0]);
    return 1;
}

int case_many_waits(void)
{
    sem_init(&semaphore, 0, 0);
    for (int i = 0; i < 1000; i++) {
        struct timespec deadline = past();
        CHECK(sem_timedwait(&semaphore, &deadline) == -1);
    }
    return 0;
}
