/* SPDX-License-Identifier: MIT */
/*
 * Two threads deadlock, and one runs a signal's handler in the middle of its wait, which waits in its turn.
 * With frame pointers, as -O0 and some distributions build: each frame is found by the one inside of it
 * alone.
 */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both;
static sem_t never, is_handled;

static void take(pthread_mutex_t *one, pthread_mutex_t *other)
{
    pthread_mutex_lock(one);
    pthread_barrier_wait(&both);
    pthread_mutex_lock(other);
    pthread_mutex_unlock(other);
}

static void *debit(void *unused)
{
    take(&first, &second);
    return unused;
}

static void *credit(void *unused)
{
    take(&second, &first);
    return unused;
}

static void handle(int signal)
{
    (void)signal;
    sem_post(&is_handled);
    pause();
}

static void *interrupted(void *unused)
{
    pthread_mutex_lock(&first);
    return unused;
}

int main(void)
{
    pthread_t threads[3];

    signal(SIGUSR1, handle);
    pthread_barrier_init(&both, NULL, 2);
    sem_init(&never, 0, 0);
    sem_init(&is_handled, 0, 0);
    pthread_mutex_lock(&first);
    pthread_create(&threads[0], NULL, interrupted, NULL);
    pthread_setname_np(threads[0], "interrupted");
    /* It sleeps, so the handler comes in the wait. */
    usleep(200000);
    pthread_kill(threads[0], SIGUSR1);
    sem_wait(&is_handled);
    pthread_mutex_unlock(&first);
    pthread_create(&threads[1], NULL, debit, NULL);
    pthread_setname_np(threads[1], "debit");
    pthread_create(&threads[2], NULL, credit, NULL);
    pthread_setname_np(threads[2], "credit");
    sem_wait(&never);
    return 0;
}
