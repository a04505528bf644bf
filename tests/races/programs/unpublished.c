/* SPDX-License-Identifier: MIT */
/* A thread looks for itself in a table that its creator fills in after it has made the thread. */
#include "trial.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int is_listed, was_missed;

static void *look_up(void *unused)
{
    pthread_mutex_lock(&lock);
    was_missed = !is_listed;
    pthread_mutex_unlock(&lock);
    return unused;
}

static int trial(void)
{
    pthread_t thread;
    is_listed = was_missed = 0;
    pthread_create(&thread, NULL, look_up, NULL);
    pthread_mutex_lock(&lock);
    is_listed = 1;
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    return was_missed;
}
