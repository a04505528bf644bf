/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>

static sem_t go;

static void *work(void *unused)
{
    sem_wait(&go);
    return unused;
}

int main(void)
{
    pthread_t worker;
    sem_init(&go, 0, 0);
    pthread_create(&worker, NULL, work, NULL);
    pthread_detach(worker);                  /* HERE detach */
    int result = pthread_join(worker, NULL); /* HERE join */
    sem_post(&go);
    return result != 0 ? 4 : 0;
}
