/* SPDX-License-Identifier: MIT */
#include <pthread.h>

static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;

static void *forgetful(void *unused)
{
    pthread_setname_np(pthread_self(), "forgetful");
    pthread_mutex_lock(&cache_lock);
    return unused;
}

static void *heir(void *unused)
{
    pthread_setname_np(pthread_self(), "heir");
    pthread_mutex_lock(&cache_lock); /* HERE wants-it */
    pthread_mutex_unlock(&cache_lock);
    return unused;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, forgetful, NULL);
    pthread_join(thread, NULL);
    pthread_create(&thread, NULL, heir, NULL);
    pthread_join(thread, NULL);
    return 0;
}
