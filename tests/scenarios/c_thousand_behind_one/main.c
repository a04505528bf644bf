/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdlib.h>

#define WAITERS 1500

static pthread_mutex_t cache = PTHREAD_MUTEX_INITIALIZER, mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t reply = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t has_it;

static void *keeper(void *unused)
{
    pthread_setname_np(pthread_self(), "keeper");
    pthread_mutex_lock(&cache);
    pthread_barrier_wait(&has_it);
    pthread_mutex_lock(&mutex);
    for (;;)
        pthread_cond_wait(&reply, &mutex); /* HERE keeper-waits */
    return unused;
}

static void *waiter(void *unused)
{
    pthread_setname_np(pthread_self(), "waiter");
    pthread_mutex_lock(&cache); /* HERE waiter-wants */
    return unused;
}

int main(void)
{
    pthread_attr_t small;
    pthread_t thread;

    pthread_barrier_init(&has_it, NULL, 2);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    pthread_create(&thread, &small, keeper, NULL);
    pthread_barrier_wait(&has_it);
    for (int i = 0; i < WAITERS; i++)
        if (pthread_create(&thread, &small, waiter, NULL))
            abort();
    pthread_join(thread, NULL); /* HERE joins */
    return 0;
}
