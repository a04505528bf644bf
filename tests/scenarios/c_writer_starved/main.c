/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER; /* prefers readers */
static pthread_barrier_t started;

static void *reader(void *arg)
{
    pthread_setname_np(pthread_self(), arg);
    pthread_rwlock_rdlock(&lock);
    pthread_barrier_wait(&started);
    for (;;) { /* the next read begins before the last one has ended */
        usleep(2000);
        pthread_rwlock_rdlock(&lock);
        usleep(2000);
        pthread_rwlock_unlock(&lock);
    }
    return NULL;
}

int main(void)
{
    pthread_t one, two;

    setenv("PYTEST_CURRENT_TEST", "suite.c::starved (call)", 1); /* as a runner of tests does */
    pthread_barrier_init(&started, NULL, 3);
    pthread_create(&one, NULL, reader, "reader-1");
    pthread_create(&two, NULL, reader, "reader-2");
    pthread_barrier_wait(&started);
    pthread_rwlock_wrlock(&lock); /* HERE writer-waits */
    return 0;
}
