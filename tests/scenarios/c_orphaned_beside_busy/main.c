/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;
static volatile unsigned long served;

static void *owner(void *arg)
{
    pthread_mutex_lock(&cache_lock);
    return arg; /* and keeps it */
}

static void *heir(void *arg)
{
    pthread_mutex_lock(&cache_lock); /* HERE waits-for-good */
    return arg;
}

int main(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, owner, NULL);
    pthread_join(thread, NULL);
    pthread_create(&thread, NULL, heir, NULL);
    pthread_setname_np(thread, "heir");
    for (;;) {
        served++;
        usleep(100);
    }
}
