/* SPDX-License-Identifier: MIT */
/* A call that succeeds leaves errno alone, and one that fails returns what glibc's own does. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <threads.h>
#include <time.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;

static void *hold(void *barrier)
{
    pthread_mutex_lock(&mutex);
    pthread_rwlock_wrlock(&rwlock);
    pthread_barrier_wait(barrier); /* both are taken */
    pthread_barrier_wait(barrier); /* and may be given back */
    pthread_rwlock_unlock(&rwlock);
    pthread_mutex_unlock(&mutex);
    return (void *)7;
}

static struct timespec soon(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += 2000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    return t;
}

#define SHOW(call)                                                                                           \
    do {                                                                                                     \
        errno = 77;                                                                                          \
        int shown = (int)(call);                                                                             \
        int error = errno;                                                                                   \
        printf("%s = %d, errno %d\n", #call, shown, error);                                                  \
    } while (0)

int main(void)
{
    pthread_barrier_t barrier;
    pthread_t thread;
    void *result;
    sem_t semaphore;
    struct timespec t;
    setvbuf(stdout, NULL, _IONBF, 0);
    pthread_barrier_init(&barrier, NULL, 2);
    sem_init(&semaphore, 0, 1);
    SHOW(pthread_create(&thread, NULL, hold, &barrier));
    SHOW(pthread_setname_np(thread, "a name that is far too long"));
    SHOW(pthread_setname_np(thread, "holder"));
    pthread_barrier_wait(&barrier);
    t = soon(CLOCK_REALTIME);
    SHOW(pthread_mutex_timedlock(&mutex, &t));
    t = soon(CLOCK_MONOTONIC);
    SHOW(pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &t));
    SHOW(pthread_mutex_trylock(&mutex));
    t = soon(CLOCK_REALTIME);
    SHOW(pthread_rwlock_timedrdlock(&rwlock, &t));
    t = soon(CLOCK_REALTIME);
    SHOW(pthread_rwlock_timedwrlock(&rwlock, &t));
    SHOW(pthread_tryjoin_np(thread, &result));
    t = soon(CLOCK_REALTIME);
    SHOW(pthread_timedjoin_np(thread, &result, &t));
    t = soon(CLOCK_MONOTONIC);
    SHOW(pthread_clockjoin_np(thread, &result, CLOCK_MONOTONIC, &t));
    pthread_barrier_wait(&barrier);
    SHOW(pthread_rwlock_rdlock(&rwlock));
    SHOW(pthread_mutex_lock(&mutex));
    t = soon(CLOCK_REALTIME);
    SHOW(pthread_cond_timedwait(&condition, &mutex, &t));
    t = soon(CLOCK_MONOTONIC);
    SHOW(pthread_cond_clockwait(&condition, &mutex, CLOCK_MONOTONIC, &t));
    SHOW(pthread_mutex_unlock(&mutex));
    SHOW(sem_wait(&semaphore));
    SHOW(sem_trywait(&semaphore));
    t = soon(CLOCK_REALTIME);
    SHOW(sem_timedwait(&semaphore, &t));
    t = soon(CLOCK_MONOTONIC);
    SHOW(sem_clockwait(&semaphore, CLOCK_MONOTONIC, &t));
    SHOW(sem_post(&semaphore));
    SHOW(pthread_join(thread, &result));
    printf("result %d\n", (int)(long)result);
    SHOW(pthread_join(pthread_self(), &result));
    SHOW(setenv("PYTEST_CURRENT_TEST", "x.py::y (call)", 1));
    SHOW(unsetenv("PYTEST_CURRENT_TEST"));
    SHOW(setenv("", "x", 1));
    SHOW(putenv("A=B"));
    return 0;
}
