/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t is_flushed = PTHREAD_COND_INITIALIZER;

static void flush(void)
{
    pthread_mutex_lock(&lock);
    pthread_cond_wait(&is_flushed, &lock); /* HERE waits */
    pthread_mutex_unlock(&lock);
}

int main(void)
{
    return atexit(flush);
}
