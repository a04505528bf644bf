/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

static sem_t jobs;

static void *worker(void *unused)
{
    struct timespec deadline;
    pthread_setname_np(pthread_self(), "worker");
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 1;
    sem_timedwait(&jobs, &deadline); /* HERE wait */
    return unused;
}

int main(void)
{
    pthread_t thread;
    sem_init(&jobs, 0, 0);
    pthread_create(&thread, NULL, worker, NULL);
    while (*(volatile uint64_t *)&jobs >> 32 == 0) /* glibc's count of waiters */
        usleep(1000);
    sem_destroy(&jobs); /* HERE destroy */
    pthread_join(thread, NULL);
    return 0;
}
