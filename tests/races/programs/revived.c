/* SPDX-License-Identifier: MIT */
/* Who gives the last reference back takes the entry out of the table in a second step; in between another one
 * finds it. */
#include "trial.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int references, is_listed, is_freed, was_used_after;

static void *give_back(void *unused)
{
    pthread_mutex_lock(&lock);
    int is_last = --references == 0;
    pthread_mutex_unlock(&lock);
    if (is_last) {
        pthread_mutex_lock(&lock);
        is_listed = 0;
        is_freed = 1;
        pthread_mutex_unlock(&lock);
    }
    return unused;
}

static void *find_and_use(void *unused)
{
    pthread_mutex_lock(&lock);
    int has_it = is_listed;
    references += has_it;
    pthread_mutex_unlock(&lock);
    if (has_it) {
        pthread_mutex_lock(&lock);
        was_used_after |= is_freed;
        pthread_mutex_unlock(&lock);
    }
    return unused;
}

static int trial(void)
{
    references = is_listed = 1;
    is_freed = was_used_after = 0;
    both(give_back, find_and_use);
    return was_used_after;
}
