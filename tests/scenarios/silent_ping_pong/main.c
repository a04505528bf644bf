/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

static pthread_mutex_t outer = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t inner = PTHREAD_MUTEX_INITIALIZER;
static atomic_int stop;

static void *queue_up(void *unused)
{
    while (!stop) {
        pthread_mutex_lock(&outer);
        pthread_mutex_lock(&inner);
        usleep(100);
        pthread_mutex_unlock(&outer);
        usleep(100);
        pthread_mutex_unlock(&inner);
    }
    return unused;
}

int main(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, queue_up, NULL);
    for (int i = 0; i < 30; i++)
        usleep(100000);
    stop = 1;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
