/* SPDX-License-Identifier: MIT */
/* Two threads stop one service: both see that it is not joined yet, and join it. */
#include "trial.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t service;
static int is_joined, joins;

static void *serve(void *unused)
{
    return unused;
}

static void *stop(void *unused)
{
    pthread_mutex_lock(&lock);
    int is_mine = !is_joined;
    pthread_mutex_unlock(&lock);
    if (!is_mine)
        return unused;
    pthread_mutex_lock(&lock);
    /* To join it a second time would be undefined: counted, and left. */
    if (joins++ == 0)
        pthread_join(service, NULL);
    is_joined = 1;
    pthread_mutex_unlock(&lock);
    return unused;
}

static int trial(void)
{
    is_joined = joins = 0;
    pthread_create(&service, NULL, serve, NULL);
    both(stop, stop);
    return joins > 1;
}
