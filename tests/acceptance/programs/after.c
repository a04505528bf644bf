/* SPDX-License-Identifier: MIT */
/*
 * What one thread tells another with its last call is gone before it has looked at it again: races right
 * after something was given back, one for each name. Exit status: 0 right, 3 the race was lost. Needs nothing
 * of racewatch.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RIGHT = 0, LOST = 3 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t table = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static sem_t semaphore;
static bool is_told, is_gone, lost;
static void (*take)(void), (*give)(void);

static void take_mutex(void)
{
    pthread_mutex_lock(&mutex);
}

static void give_mutex(void)
{
    pthread_mutex_unlock(&mutex);
}

static void take_table(void)
{
    pthread_rwlock_wrlock(&table);
}

static void give_table(void)
{
    pthread_rwlock_unlock(&table);
}

static void take_semaphore(void)
{
    while (sem_wait(&semaphore) != 0)
        ;
}

static void give_semaphore(void)
{
    sem_post(&semaphore);
}

static void *tells(void *unused)
{
    take();
    is_told = true;
    give();
    lost = is_gone;
    return unused;
}

static void *frees(void *unused)
{
    take();
    bool may_free = is_told;
    give();
    is_gone = may_free;
    return unused;
}

static int play(void *(*one)(void *), void *(*other)(void *))
{
    pthread_t first, second;
    if (pthread_create(&first, NULL, one, NULL) != 0 || pthread_create(&second, NULL, other, NULL) != 0)
        abort();
    pthread_join(first, NULL);
    pthread_join(second, NULL);
    return lost ? LOST : RIGHT;
}

static int with_mutex(void)
{
    take = take_mutex;
    give = give_mutex;
    return play(tells, frees);
}

static int with_rwlock(void)
{
    take = take_table;
    give = give_table;
    return play(tells, frees);
}

static int with_semaphore(void)
{
    sem_init(&semaphore, 0, 1);
    take = take_semaphore;
    give = give_semaphore;
    return play(tells, frees);
}

static void *signals_waiter(void *unused)
{
    pthread_cond_signal(&changed);
    lost = is_gone;
    return unused;
}

static void *frees_when_woken(void *unused)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 60;
    pthread_mutex_lock(&mutex);
    bool is_woken = pthread_cond_timedwait(&changed, &mutex, &deadline) == 0;
    pthread_mutex_unlock(&mutex);
    is_gone = is_woken;
    return unused;
}

static int with_signal(void)
{
    return play(frees_when_woken, signals_waiter);
}

static const struct {
    const char *name;
    int (*run)(void);
} programs[] = {
    {"mutex", with_mutex},
    {"rwlock", with_rwlock},
    {"semaphore", with_semaphore},
    {"signal", with_signal},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        if (argc == 2 && strcmp(argv[1], programs[i].name) == 0)
            return programs[i].run();
    }
    return 99;
}
