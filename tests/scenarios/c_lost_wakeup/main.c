/* SPDX-License-Identifier: MIT */
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ready = PTHREAD_COND_INITIALIZER;

static void *setter(void *unused)
{
    pthread_setname_np(pthread_self(), "setter");
    pthread_cond_signal(&ready); /* before anybody waits, and nothing remembers it */
    return unused;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, setter, NULL);
    pthread_join(thread, NULL);
    pthread_mutex_lock(&lock);
    pthread_cond_wait(&ready, &lock); /* HERE waits-too-late */
    pthread_mutex_unlock(&lock);
    return 0;
}
