/* SPDX-License-Identifier: MIT */
/*
 * What threads and processes do to each other, one kind at a time, N times; each prints ns of one of it:
 *     meetings mutex N        lock and unlock, by one thread
 *     meetings second N       the same in a process that has had a second thread
 *     meetings semaphore N    wait and post, by one thread
 *     meetings rwlock N       read lock and unlock, by one thread
 *     meetings contended N    lock and unlock of one mutex by two threads at once
 *     meetings hand_over N    two semaphores, of which each thread waits for its own and posts the other
 * one's meetings ping_pong N    a condition signalled to and fro between two threads meetings thread N a
 * thread made and joined meetings threads N      N threads made, all alive at once, and joined meetings forks
 * N        N children that end at once, one after the other
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static sem_t of[2];
static unsigned turn, turns;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void start(pthread_t *id, const pthread_attr_t *how, void *(*body)(void *), void *argument)
{
    int error = pthread_create(id, how, body, argument);
    if (error != 0) {
        fprintf(stderr, "meetings: pthread_create: %s\n", strerror(error));
        exit(1);
    }
}

static void *nothing(void *unused)
{
    return unused;
}

static uint64_t one_mutex(unsigned count)
{
    uint64_t begin = now_ns();
    for (unsigned i = 0; i < count; i++) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
    return now_ns() - begin;
}

static uint64_t one_thread(unsigned count)
{
    pthread_t id;
    uint64_t begin = now_ns();
    for (unsigned i = 0; i < count; i++) {
        start(&id, NULL, nothing, NULL);
        pthread_join(id, NULL);
    }
    return now_ns() - begin;
}

static uint64_t second(unsigned count)
{
    one_thread(1);
    return one_mutex(count);
}

static uint64_t semaphore(unsigned count)
{
    uint64_t begin = now_ns();
    for (unsigned i = 0; i < count; i++) {
        sem_wait(&of[1]);
        sem_post(&of[1]);
    }
    return now_ns() - begin;
}

static uint64_t rwlock(unsigned count)
{
    pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
    uint64_t begin = now_ns();
    for (unsigned i = 0; i < count; i++) {
        pthread_rwlock_rdlock(&lock);
        pthread_rwlock_unlock(&lock);
    }
    return now_ns() - begin;
}

static uint64_t by_two(void *(*body)(void *), unsigned count)
{
    static int which[2] = {0, 1};
    pthread_t other;
    turns = count / 2;
    uint64_t begin = now_ns();
    start(&other, NULL, body, &which[0]);
    body(&which[1]);
    pthread_join(other, NULL);
    return now_ns() - begin;
}

static void *hammer(void *unused)
{
    for (unsigned i = 0; i < turns; i++) {
        pthread_mutex_lock(&mutex);
        turn++;
        pthread_mutex_unlock(&mutex);
    }
    return unused;
}

static void *take_turns(void *argument)
{
    int me = *(int *)argument;
    for (unsigned i = 0; i < turns; i++) {
        sem_wait(&of[me]);
        sem_post(&of[!me]);
    }
    return NULL;
}

static void *play(void *argument)
{
    unsigned me = (unsigned)*(int *)argument;
    pthread_mutex_lock(&mutex);
    for (unsigned i = 0; i < turns; i++) {
        while (turn % 2 != me)
            pthread_cond_wait(&changed, &mutex);
        turn++;
        pthread_cond_signal(&changed);
    }
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static uint64_t contended(unsigned count)
{
    return by_two(hammer, count);
}

static uint64_t hand_over(unsigned count)
{
    return by_two(take_turns, count);
}

static uint64_t ping_pong(unsigned count)
{
    return by_two(play, count);
}

static void *wait_for_the_end(void *barrier)
{
    pthread_barrier_wait(barrier);
    return NULL;
}

static uint64_t threads(unsigned count)
{
    pthread_barrier_t all;
    pthread_attr_t small;
    pthread_t *ids = calloc(count, sizeof(*ids));
    pthread_barrier_init(&all, NULL, count + 1);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    uint64_t begin = now_ns();
    for (unsigned i = 0; i < count; i++)
        start(&ids[i], &small, wait_for_the_end, &all);
    pthread_barrier_wait(&all);
    for (unsigned i = 0; i < count; i++)
        pthread_join(ids[i], NULL);
    uint64_t took = now_ns() - begin;
    free(ids);
    return took;
}

static uint64_t forks(unsigned count)
{
    uint64_t begin = now_ns();
    for (unsigned i = 0; i < count; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        if (child < 0) {
            perror("meetings: fork");
            exit(1);
        }
        waitpid(child, NULL, 0);
    }
    return now_ns() - begin;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        uint64_t (*ns_of)(unsigned count);
    } kinds[] = {
        {"mutex", one_mutex},     {"second", second},       {"semaphore", semaphore}, {"rwlock", rwlock},
        {"contended", contended}, {"hand_over", hand_over}, {"ping_pong", ping_pong}, {"thread", one_thread},
        {"threads", threads},     {"forks", forks},
    };
    unsigned count = argc == 3 ? (unsigned)atoi(argv[2]) : 0;
    sem_init(&of[1], 0, 1);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && count > 1; i++)
        if (!strcmp(argv[1], kinds[i].name)) {
            printf("%.1f\n", (double)kinds[i].ns_of(count) / count);
            return 0;
        }
    fprintf(stderr, "usage: meetings KIND N, as this file's first lines say\n");
    return 2;
}
