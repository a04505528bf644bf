/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

enum { RING = 3 };

static pthread_mutex_t locks[RING] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
                                      PTHREAD_MUTEX_INITIALIZER};
static pthread_barrier_t all_have_one;

static void *link_of_ring(void *argument)
{
    int index = (int)(intptr_t)argument;
    char name[16];
    snprintf(name, sizeof name, "ring-%d", index);
    pthread_setname_np(pthread_self(), name);
    pthread_mutex_lock(&locks[index]);
    pthread_barrier_wait(&all_have_one);
    pthread_mutex_lock(&locks[(index + 1) % RING]); /* HERE ring-wants */
    return NULL;
}

static void *behind(void *unused)
{
    pthread_setname_np(pthread_self(), "behind");
    pthread_mutex_lock(&locks[0]);
    return unused;
}

int main(void)
{
    pthread_t ring[RING], waiting[2];
    pthread_barrier_init(&all_have_one, NULL, RING + 1);
    for (intptr_t i = 0; i < RING; i++)
        pthread_create(&ring[i], NULL, link_of_ring, (void *)i);
    pthread_barrier_wait(&all_have_one);
    for (int i = 0; i < 2; i++)
        pthread_create(&waiting[i], NULL, behind, NULL);
    for (int i = 0; i < RING; i++)
        pthread_join(ring[i], NULL);
    return 0;
}
