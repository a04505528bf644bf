/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static pthread_t threads[3];
static pthread_barrier_t all_are_known;

static void *joiner(void *argument)
{
    int index = (int)(intptr_t)argument;
    char name[16];
    snprintf(name, sizeof name, "join-%d", index);
    pthread_setname_np(pthread_self(), name);
    pthread_barrier_wait(&all_are_known);
    pthread_join(threads[(index + 1) % 3], NULL); /* HERE joins */
    return NULL;
}

int main(void)
{
    pthread_barrier_init(&all_are_known, NULL, 4);
    for (intptr_t i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, joiner, (void *)i);
    pthread_barrier_wait(&all_are_known);
    for (;;)
        pause();
}
