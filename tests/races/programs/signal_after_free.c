/* SPDX-License-Identifier: MIT */
/* Who is told that the work is done frees what it waited on, while the other is about to signal it. */
#include "trial.h"

static struct request {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int is_done;
    int is_freed;
} request;
static int was_used_after;

static void *finish(void *unused)
{
    pthread_mutex_lock(&request.lock);
    request.is_done = 1;
    pthread_mutex_unlock(&request.lock);
    if (__atomic_load_n(&request.is_freed, __ATOMIC_SEQ_CST))
        was_used_after = 1;
    else
        pthread_cond_signal(&request.changed);
    return unused;
}

static void *wait_and_free(void *unused)
{
    pthread_mutex_lock(&request.lock);
    while (!request.is_done)
        pthread_cond_wait(&request.changed, &request.lock);
    pthread_mutex_unlock(&request.lock);
    __atomic_store_n(&request.is_freed, 1, __ATOMIC_SEQ_CST);
    return unused;
}

static int trial(void)
{
    request = (struct request){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    was_used_after = 0;
    both(finish, wait_and_free);
    return was_used_after;
}
