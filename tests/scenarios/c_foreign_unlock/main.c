/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stddef.h>

static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t locked, unlocked;

static void *holder(void *unused)
{
    pthread_setname_np(pthread_self(), "holder");
    pthread_mutex_lock(&cache_lock);
    pthread_barrier_wait(&locked);
    pthread_barrier_wait(&unlocked);
    return unused;
}

int main(void)
{
    pthread_t thread;
    pthread_barrier_init(&locked, NULL, 2);
    pthread_barrier_init(&unlocked, NULL, 2);
    pthread_create(&thread, NULL, holder, NULL);
    pthread_barrier_wait(&locked);
    pthread_mutex_unlock(&cache_lock); /* HERE unlock */
    pthread_barrier_wait(&unlocked);
    pthread_join(thread, NULL);
    return 0;
}
