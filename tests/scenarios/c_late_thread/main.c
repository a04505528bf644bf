/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_barrier_t begun;

static void *flush_cache(void *unused)
{
    pthread_barrier_wait(&begun);
    sleep(60);
    return unused;
}

/* A thread that nobody is left to join. */
static void last_wish(void)
{
    pthread_t thread;
    pthread_barrier_init(&begun, NULL, 2);
    pthread_create(&thread, NULL, flush_cache, NULL); /* HERE create */
    pthread_setname_np(thread, "flusher");
    pthread_barrier_wait(&begun);
}

int main(void)
{
    atexit(last_wish);
    return 5;
}
