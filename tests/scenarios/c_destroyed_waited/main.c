/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work_came = PTHREAD_COND_INITIALIZER;
static sem_t waits;

static void *consumer(void *unused)
{
    struct timespec deadline;
    pthread_setname_np(pthread_self(), "consumer");
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 3;
    pthread_mutex_lock(&lock);
    sem_post(&waits);
    while (pthread_cond_timedwait(&work_came, &lock, &deadline) == 0) /* HERE wait */
        ;
    pthread_mutex_unlock(&lock);
    return unused;
}

int main(void)
{
    pthread_t thread;
    sem_init(&waits, 0, 0);
    pthread_create(&thread, NULL, consumer, NULL);
    sem_wait(&waits);
    pthread_mutex_lock(&lock); /* from here on it waits */
    pthread_mutex_unlock(&lock);
    pthread_cond_destroy(&work_came); /* HERE destroy */
    pthread_join(thread, NULL);
    return 0;
}
