/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both_have_one;

static void *prints(void *arg)
{
    pthread_setname_np(pthread_self(), "prints");
    pthread_mutex_lock(&log_lock);
    pthread_barrier_wait(&both_have_one);
    printf("a line\n"); /* HERE wants-the-stream */
    pthread_mutex_unlock(&log_lock);
    return arg;
}

static void *rotates(void *arg)
{
    pthread_setname_np(pthread_self(), "rotates");
    flockfile(stdout);
    pthread_barrier_wait(&both_have_one);
    pthread_mutex_lock(&log_lock); /* HERE wants-the-lock */
    pthread_mutex_unlock(&log_lock);
    funlockfile(stdout);
    return arg;
}

int main(void)
{
    pthread_t threads[2];

    pthread_barrier_init(&both_have_one, NULL, 2);
    pthread_create(&threads[0], NULL, prints, NULL);
    pthread_create(&threads[1], NULL, rotates, NULL);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    return 0;
}
