/* SPDX-License-Identifier: MIT */
/*
 * Threads that come and go, wait and wake one another. Free of races itself. Without conditions: the library
 * calls those of the version that the program was linked for, past ThreadSanitizer, which then takes the
 * mutex for one that is still locked.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>

enum { THREADS = 6, ROUNDS = 60 };

static pthread_mutex_t outer = PTHREAD_MUTEX_INITIALIZER, inner = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t guarded = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t round_over;
static sem_t room;
static unsigned turns, value;

static void *short_lived(void *nothing)
{
    pthread_setname_np(pthread_self(), "short-lived");
    return nothing;
}

static void start_others(void)
{
    pthread_t joined, detached;
    if (pthread_create(&joined, NULL, short_lived, NULL) == 0)
        pthread_join(joined, NULL);
    if (pthread_create(&detached, NULL, short_lived, NULL) == 0)
        pthread_detach(detached);
}

static void take_a_turn(void)
{
    pthread_mutex_lock(&outer);
    pthread_mutex_lock(&inner);
    turns++;
    pthread_mutex_unlock(&inner);
    pthread_mutex_unlock(&outer);
}

static void *work(void *nothing)
{
    for (int i = 0; i < ROUNDS; i++) {
        take_a_turn();
        sem_wait(&room);
        pthread_rwlock_wrlock(&guarded);
        value++;
        pthread_rwlock_unlock(&guarded);
        sem_post(&room);
        if (i % 8 == 0)
            start_others();
        pthread_barrier_wait(&round_over);
    }
    return nothing;
}

int main(void)
{
    pthread_t threads[THREADS];
    pthread_barrier_init(&round_over, NULL, THREADS);
    sem_init(&room, 0, 2);
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, NULL) != 0)
            return 1;
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("%u turns, %u\n", turns, value);
    return 0;
}
