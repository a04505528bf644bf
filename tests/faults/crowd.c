/* SPDX-License-Identifier: MIT */
/*
 * A program whose threads come late, and all at once:
 *     crowd COUNT FILE
 * says "here", waits until there is such a file, and then has COUNT threads, that all are there before one
 * ends.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define COUNT_MAX 1000

static pthread_barrier_t all;

static void *meet(void *unused)
{
    pthread_barrier_wait(&all);
    return unused;
}

int main(int argc, char **argv)
{
    static pthread_t threads[COUNT_MAX];
    int count = argc == 3 ? atoi(argv[1]) : 0;
    if (count < 1 || count > COUNT_MAX)
        return 2;
    puts("here");
    fflush(stdout);
    while (access(argv[2], F_OK) != 0)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    pthread_barrier_init(&all, NULL, (unsigned)count);
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, meet, NULL) != 0)
            return 1;
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    printf("%d\n", count);
    return 3;
}
