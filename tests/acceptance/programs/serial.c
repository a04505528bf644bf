/* SPDX-License-Identifier: MIT */
/*
 * Small programs for serial mode, one for each name: races that a plain run does not lose, and programs that
 * are right and must stay so. Exit status: 0 right, 3 the race was lost; or it hangs. Needs nothing of
 * racewatch.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RIGHT = 0, LOST = 3 };

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER,
                       c = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int shared, lost;

static void lock(pthread_mutex_t *mutex)
{
    if (pthread_mutex_lock(mutex) != 0)
        abort();
}

static void unlock(pthread_mutex_t *mutex)
{
    if (pthread_mutex_unlock(mutex) != 0)
        abort();
}

static pthread_t start(void *(*routine)(void *), void *argument)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, routine, argument) != 0)
        abort();
    return thread;
}

static void both(pthread_mutex_t *first, pthread_mutex_t *second)
{
    lock(first);
    lock(second);
    shared++;
    unlock(second);
    unlock(first);
}

static void *ab(void *unused)
{
    both(&a, &b);
    return unused;
}

static void *ba(void *unused)
{
    both(&b, &a);
    return unused;
}

static void *bc(void *unused)
{
    both(&b, &c);
    return unused;
}

static void *ca(void *unused)
{
    both(&c, &a);
    return unused;
}

static int two_locks(void)
{
    pthread_t one = start(ab, NULL), two = start(ba, NULL);
    pthread_join(one, NULL);
    pthread_join(two, NULL);
    return RIGHT;
}

static int three_locks(void)
{
    pthread_t threads[3] = {start(ab, NULL), start(bc, NULL), start(ca, NULL)};
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    return RIGHT;
}

/* The flag is looked at before the mutex that the wait needs is taken. */
static void *waits_unguarded(void *unused)
{
    lock(&b);
    bool is_there = shared != 0;
    unlock(&b);
    if (!is_there) {
        lock(&a);
        pthread_cond_wait(&changed, &a);
        unlock(&a);
    }
    return unused;
}

static int lost_wakeup(void)
{
    pthread_t waiter = start(waits_unguarded, NULL);
    usleep(2000);
    lock(&b);
    shared = 1;
    unlock(&b);
    lock(&a);
    pthread_cond_signal(&changed);
    unlock(&a);
    pthread_join(waiter, NULL);
    return RIGHT;
}

static void *takes_last(void *unused)
{
    lock(&a);
    bool is_there = shared > 0;
    unlock(&a);
    if (is_there) {
        lock(&a);
        lost += --shared < 0;
        unlock(&a);
    }
    return unused;
}

static int check_then_act(void)
{
    shared = 1;
    pthread_t one = start(takes_last, NULL), two = start(takes_last, NULL);
    pthread_join(one, NULL);
    pthread_join(two, NULL);
    return lost ? LOST : RIGHT;
}

static pthread_t published;

static void *reads_handle(void *unused)
{
    lock(&a);
    lost = published == 0;
    unlock(&a);
    return unused;
}

static int publish(void)
{
    pthread_t thread = start(reads_handle, NULL);
    lock(&a);
    published = thread;
    unlock(&a);
    pthread_join(thread, NULL);
    return lost ? LOST : RIGHT;
}

static sem_t work;
static bool is_shut;

static void *submits(void *unused)
{
    lock(&a);
    bool is_refused = is_shut;
    unlock(&a);
    if (!is_refused) {
        lock(&a);
        lost = is_shut;
        unlock(&a);
        sem_post(&work);
    }
    return unused;
}

static int late_worker(void)
{
    sem_init(&work, 0, 0);
    pthread_t thread = start(submits, NULL);
    usleep(3000);
    lock(&a);
    is_shut = true;
    unlock(&a);
    pthread_join(thread, NULL);
    return lost ? LOST : RIGHT;
}

/* What follows is right. */

enum { ITEMS = 200, ROOM = 4 };
static int items[ROOM], head, tail, sum;
static pthread_cond_t has_room = PTHREAD_COND_INITIALIZER, has_item = PTHREAD_COND_INITIALIZER;

static void *produces(void *unused)
{
    for (int i = 1; i <= ITEMS; i++) {
        lock(&a);
        while (head - tail == ROOM)
            pthread_cond_wait(&has_room, &a);
        items[head++ % ROOM] = i;
        pthread_cond_signal(&has_item);
        unlock(&a);
    }
    return unused;
}

static void *consumes(void *unused)
{
    for (int i = 0; i < ITEMS; i++) {
        lock(&a);
        while (head == tail)
            pthread_cond_wait(&has_item, &a);
        sum += items[tail++ % ROOM];
        pthread_cond_signal(&has_room);
        unlock(&a);
    }
    return unused;
}

static int queue(void)
{
    pthread_t threads[4] = {start(produces, NULL), start(consumes, NULL), start(produces, NULL),
                            start(consumes, NULL)};
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    return sum == ITEMS * (ITEMS + 1) ? RIGHT : LOST;
}

static sem_t ping, pong;

static void *pongs(void *unused)
{
    for (int i = 0; i < ITEMS; i++) {
        while (sem_wait(&ping) != 0)
            ;
        shared++;
        sem_post(&pong);
    }
    return unused;
}

static int semaphores(void)
{
    sem_init(&ping, 0, 0);
    sem_init(&pong, 0, 0);
    pthread_t thread = start(pongs, NULL);
    for (int i = 0; i < ITEMS; i++) {
        sem_post(&ping);
        while (sem_wait(&pong) != 0)
            ;
        if (shared != i + 1)
            return LOST;
    }
    pthread_join(thread, NULL);
    return RIGHT;
}

static pthread_rwlock_t table = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static int left_value, right_value, serial_threads;

static void *reads_and_writes(void *unused)
{
    int is_serial = pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
    lock(&a);
    serial_threads += is_serial;
    unlock(&a);
    for (int i = 0; i < 20; i++) {
        pthread_rwlock_wrlock(&table);
        left_value++;
        right_value++;
        pthread_rwlock_unlock(&table);
        pthread_rwlock_rdlock(&table);
        if (left_value != right_value)
            lost = 1;
        pthread_rwlock_unlock(&table);
    }
    return unused;
}

static int rwlocks(void)
{
    pthread_t threads[3];
    pthread_barrier_init(&barrier, NULL, 3);
    for (int i = 0; i < 3; i++)
        threads[i] = start(reads_and_writes, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    return !lost && serial_threads == 1 && left_value == 60 ? RIGHT : LOST;
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void *sleeps(void *unused)
{
    for (int i = 0; i < 3; i++)
        sleep(1);
    lock(&a);
    shared = 1;
    pthread_cond_signal(&changed);
    unlock(&a);
    return unused;
}

/* A thread sleeps 3 s, main waits for it with a time-out of 60 s: it must not run out first. Then one that
 * must. */
static int timeouts(void)
{
    int64_t begin = now_ns();
    struct timespec deadline;
    pthread_t thread = start(sleeps, NULL);
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 60;
    int result = 0;
    lock(&a);
    while (!shared && result == 0)
        result = pthread_cond_timedwait(&changed, &a, &deadline);
    unlock(&a);
    pthread_join(thread, NULL);
    int64_t middle = now_ns();
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 5;
    lock(&a);
    int second = 0;
    while (second == 0)
        second = pthread_cond_timedwait(&changed, &a, &deadline);
    unlock(&a);
    int64_t end = now_ns();
    bool is_right = result == 0 && second == ETIMEDOUT && middle - begin >= INT64_C(3000000000) &&
                    middle - begin < INT64_C(60000000000) && end - middle >= INT64_C(4990000000);
    return is_right ? RIGHT : LOST;
}

static int to_thread[2], from_thread[2];

static void *echoes(void *unused)
{
    char byte;
    while (read(to_thread[0], &byte, 1) == 1 && write(from_thread[1], &byte, 1) == 1)
        ;
    return unused;
}

static int pipes(void)
{
    char byte = 'x';
    if (pipe(to_thread) != 0 || pipe(from_thread) != 0)
        abort();
    pthread_t thread = start(echoes, NULL);
    for (int i = 0; i < 20; i++) {
        struct pollfd ready = {.fd = from_thread[0], .events = POLLIN};
        if (write(to_thread[1], &byte, 1) != 1 || poll(&ready, 1, 10000) != 1 ||
            read(from_thread[0], &byte, 1) != 1)
            return LOST;
    }
    close(to_thread[1]);
    pthread_join(thread, NULL);
    return RIGHT;
}

static void *forks(void *result)
{
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread = start(ab, NULL);
        pthread_join(thread, NULL);
        _exit(shared == 1 ? 0 : 1);
    }
    int status;
    if (waitpid(child, &status, 0) != child || status != 0)
        *(int *)result = 1;
    return NULL;
}

static int children(void)
{
    int results[2] = {0};
    pthread_t one = start(forks, &results[0]), two = start(forks, &results[1]);
    pthread_join(one, NULL);
    pthread_join(two, NULL);
    return results[0] || results[1] ? LOST : RIGHT;
}

static volatile int is_set;

static void *sets(void *unused)
{
    lock(&a);
    is_set = 1;
    unlock(&a);
    return unused;
}

/* Waits as nobody should: by looking. */
static int spin(void)
{
    pthread_t thread = start(sets, NULL);
    while (!is_set)
        ;
    pthread_join(thread, NULL);
    return RIGHT;
}

static const struct {
    const char *name;
    int (*run)(void);
} programs[] = {
    {"two_locks", two_locks},
    {"three_locks", three_locks},
    {"lost_wakeup", lost_wakeup},
    {"check_then_act", check_then_act},
    {"publish", publish},
    {"late_worker", late_worker},
    {"queue", queue},
    {"semaphores", semaphores},
    {"rwlocks", rwlocks},
    {"timeouts", timeouts},
    {"pipes", pipes},
    {"children", children},
    {"spin", spin},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        if (argc == 2 && strcmp(argv[1], programs[i].name) == 0)
            return programs[i].run();
    }
    return 99;
}
