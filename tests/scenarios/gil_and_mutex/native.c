/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <semaphore.h>

static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;
static sem_t about_to_want;

void each_entry(void (*callback)(void), void (*ready)(void));
void each_entry(void (*callback)(void), void (*ready)(void))
{
    pthread_mutex_lock(&cache_lock);
    ready();
    while (sem_wait(&about_to_want))
        ;
    callback();
    pthread_mutex_unlock(&cache_lock);
}

void invalidate(void);
void invalidate(void)
{
    sem_post(&about_to_want);
    pthread_mutex_lock(&cache_lock);
    pthread_mutex_unlock(&cache_lock);
}
