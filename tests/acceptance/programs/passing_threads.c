/* SPDX-License-Identifier: MIT */
/* More threads than the recording's first room: it must grow, or do without. */
#include <pthread.h>
#include <stdio.h>

static pthread_barrier_t all_are_there;

static void *meet(void *unused)
{
    pthread_barrier_wait(&all_are_there);
    return unused;
}

int main(void)
{
    enum { COUNT = 200 };
    pthread_t threads[COUNT];
    pthread_barrier_init(&all_are_there, NULL, COUNT);
    for (int i = 0; i < COUNT; i++)
        if (pthread_create(&threads[i], NULL, meet, NULL))
            return 1;
    for (int i = 0; i < COUNT; i++)
        pthread_join(threads[i], NULL);
    puts("all met");
    return 0;
}
