/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stddef.h>

static pthread_mutex_t session_lock;
static pthread_barrier_t locked, destroyed;

static void *user(void *unused)
{
    pthread_setname_np(pthread_self(), "user");
    pthread_mutex_lock(&session_lock);
    pthread_barrier_wait(&locked);
    pthread_barrier_wait(&destroyed);
    pthread_mutex_unlock(&session_lock);
    return unused;
}

int main(void)
{
    pthread_t thread;
    pthread_mutex_init(&session_lock, NULL);
    pthread_barrier_init(&locked, NULL, 2);
    pthread_barrier_init(&destroyed, NULL, 2);
    pthread_create(&thread, NULL, user, NULL);
    pthread_barrier_wait(&locked);
    pthread_mutex_destroy(&session_lock); /* HERE destroy */
    pthread_barrier_wait(&destroyed);
    pthread_join(thread, NULL);
    return 0;
}
