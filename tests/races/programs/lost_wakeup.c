/* SPDX-License-Identifier: MIT */
/* The flag is looked at without the lock: a signal that comes before the wait is lost, and the wait does not
 * end. */
#include <stdatomic.h>

#include "trial.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static atomic_int is_ready;

static void *wait_for_it(void *unused)
{
    if (!is_ready) {
        pthread_mutex_lock(&lock);
        pthread_cond_wait(&changed, &lock);
        pthread_mutex_unlock(&lock);
    }
    return unused;
}

static void *make_ready(void *unused)
{
    is_ready = 1;
    pthread_mutex_lock(&lock);
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    return unused;
}

static int trial(void)
{
    is_ready = 0;
    both(make_ready, wait_for_it);
    return 0;
}
