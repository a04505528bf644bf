/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

static sem_t stop;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;

static void post_stop(int number)
{
    (void)number;
    sem_post(&stop);
}

static void *worker(void *unused)
{
    pthread_mutex_lock(&lock);
    for (;;)
        pthread_cond_wait(&work, &lock);
    return unused;
}

int main(void)
{
    pthread_t thread;
    sem_init(&stop, 0, 0);
    signal(SIGALRM, post_stop);
    pthread_create(&thread, NULL, worker, NULL);
    alarm(5);
    while (sem_wait(&stop) != 0)
        ;
    return 0;
}
