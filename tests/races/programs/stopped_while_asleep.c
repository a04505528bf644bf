/* SPDX-License-Identifier: MIT */
/* The stopper wakes the worker only if it sleeps; the worker says so after its last look at `is_stopped`. */
#include "trial.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sem_t wake;
static int is_stopped, is_asleep;

static void *work(void *unused)
{
    pthread_mutex_lock(&lock);
    int goes_on = !is_stopped;
    pthread_mutex_unlock(&lock);
    if (goes_on) {
        pthread_mutex_lock(&lock);
        is_asleep = 1;
        pthread_mutex_unlock(&lock);
        sem_wait(&wake);
    }
    return unused;
}

static void *stop(void *unused)
{
    pthread_mutex_lock(&lock);
    is_stopped = 1;
    int must_wake = is_asleep;
    pthread_mutex_unlock(&lock);
    if (must_wake)
        sem_post(&wake);
    return unused;
}

static int trial(void)
{
    is_stopped = is_asleep = 0;
    sem_init(&wake, 0, 0);
    both(stop, work);
    sem_destroy(&wake);
    return 0;
}
