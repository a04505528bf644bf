/* SPDX-License-Identifier: MIT */
/*
 * What racewatch could make slower, one operation at a time:
 *     micro mutex             ns of an uncontended lock and unlock
 *     micro thread            ns of a thread's creation and join
 *     micro spawn N PROGRAM.. ns of a start and end of PROGRAM
 *     micro hundred           98 threads that wait behind two that deadlock; never ends
 */
#include <pthread.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t second = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both_have_one;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void show(uint64_t begin_ns, unsigned count)
{
    printf("%.1f\n", (double)(now_ns() - begin_ns) / count);
}

static void *nothing(void *unused)
{
    return unused;
}

static int mutex(void)
{
    enum { COUNT = 20000000 };
    uint64_t begin = now_ns();
    for (unsigned i = 0; i < COUNT; i++) {
        pthread_mutex_lock(&first);
        pthread_mutex_unlock(&first);
    }
    show(begin, COUNT);
    return 0;
}

static int thread(void)
{
    enum { COUNT = 10000 };
    pthread_t id;
    uint64_t begin = now_ns();
    for (unsigned i = 0; i < COUNT; i++) {
        if (pthread_create(&id, NULL, nothing, NULL))
            return 1;
        pthread_join(id, NULL);
    }
    show(begin, COUNT);
    return 0;
}

static int spawn(unsigned count, char **argv)
{
    uint64_t begin = now_ns();
    for (unsigned i = 0; i < count; i++) {
        pid_t child;
        int status;
        if (posix_spawn(&child, argv[0], NULL, NULL, argv, environ))
            return 1;
        waitpid(child, &status, 0);
    }
    show(begin, count);
    return 0;
}

static void *forth(void *unused)
{
    pthread_mutex_lock(&first);
    pthread_barrier_wait(&both_have_one);
    pthread_mutex_lock(&second);
    return unused;
}

static void *back(void *unused)
{
    pthread_mutex_lock(&second);
    pthread_barrier_wait(&both_have_one);
    pthread_mutex_lock(&first);
    return unused;
}

static void *behind(void *unused)
{
    pthread_mutex_lock(&first);
    return unused;
}

static int hundred(void)
{
    pthread_t id;
    pthread_barrier_init(&both_have_one, NULL, 3);
    pthread_create(&id, NULL, forth, NULL);
    usleep(100000);
    for (int i = 0; i < 97; i++)
        pthread_create(&id, NULL, behind, NULL);
    pthread_create(&id, NULL, back, NULL);
    pthread_barrier_wait(&both_have_one);
    pthread_join(id, NULL);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "mutex"))
        return mutex();
    if (!strcmp(what, "thread"))
        return thread();
    if (!strcmp(what, "spawn") && argc > 3)
        return spawn((unsigned)atoi(argv[2]), argv + 3);
    if (!strcmp(what, "hundred"))
        return hundred();
    return 2;
}
