/* SPDX-License-Identifier: MIT */
/* For so many seconds, as many transitions as go: threads that meet at a contended mutex, a condition and a
 * semaphore, and threads that come and go. On stdout only what is the same in every run; on stderr, if
 * "count" is asked for, how many. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static atomic_bool is_over;
static atomic_ulong events;
static sem_t one;

static void *come_and_go(void *unused)
{
    return unused;
}

static void *create(void *unused)
{
    pthread_t thread;
    while (!is_over) {
        if (pthread_create(&thread, NULL, come_and_go, NULL) == 0)
            pthread_join(thread, NULL);
        events += 5; /* created, started, ended, and the join's two */
    }
    return unused;
}

/* A name is a transition, and the cheapest one. */
static void *rename_self(void *unused)
{
    char name[16];
    for (unsigned long i = 0; !is_over; i++) {
        snprintf(name, sizeof name, "storm-%lu", i % 1000);
        pthread_setname_np(pthread_self(), name);
        events++;
    }
    return unused;
}

static void *test(void *unused)
{
    char name[64];
    for (unsigned long i = 0; !is_over; i++) {
        snprintf(name, sizeof name, "storm.py::test_%lu (call)", i);
        setenv("PYTEST_CURRENT_TEST", name, 1);
        events += 2;
        sem_wait(&one);
        sem_post(&one);
    }
    return unused;
}

int main(int argc, char **argv)
{
    static void *(*const kinds[])(void *) = {create, rename_self, test, rename_self};
    enum { COUNT = sizeof kinds / sizeof kinds[0] };
    pthread_t threads[COUNT];
    int seconds = argc > 1 ? atoi(argv[1]) : 1;
    sem_init(&one, 0, 1);
    for (int i = 0; i < COUNT; i++)
        if (pthread_create(&threads[i], NULL, kinds[i], NULL))
            return 1;
    nanosleep(&(struct timespec){.tv_sec = seconds}, NULL);
    is_over = true;
    for (int i = 0; i < COUNT; i++)
        pthread_join(threads[i], NULL);
    if (argc > 2 && strcmp(argv[2], "count") == 0)
        fprintf(stderr, "%lu transitions a second\n", events / (unsigned long)seconds);
    puts("over");
    return 3;
}
