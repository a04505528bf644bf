/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <semaphore.h>

static sem_t results, work;

static void *worker(void *unused)
{
    pthread_setname_np(pthread_self(), "worker");
    sem_wait(&work); /* HERE waits-for-work */
    sem_post(&results);
    return unused;
}

int main(void)
{
    pthread_t thread;
    sem_init(&results, 0, 0);
    sem_init(&work, 0, 0);
    pthread_create(&thread, NULL, worker, NULL);
    sem_wait(&results); /* HERE wants-a-result */
    return 0;
}
