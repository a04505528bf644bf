/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

static pthread_mutex_t locks[2] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static pthread_barrier_t both_have_one;

static void *worker(void *argument)
{
    int mine = (int)(intptr_t)argument;
    pthread_setname_np(pthread_self(), mine ? "right" : "left");
    pthread_mutex_lock(&locks[mine]);
    pthread_barrier_wait(&both_have_one);
    pthread_mutex_lock(&locks[!mine]); /* HERE wants */
    return NULL;
}

int main(void)
{
    pthread_t thread;
    pthread_barrier_init(&both_have_one, NULL, 2);
    for (intptr_t i = 0; i < 2; i++)
        pthread_create(&thread, NULL, worker, (void *)i);
    pthread_exit(NULL);
}
