/* SPDX-License-Identifier: MIT */
/* A pool: between the look at `is_closed` and the job's way into the queue the last worker may end. The job
 * is lost. */
#include "trial.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int is_closed, queued, done, refused;

static void *work(void *unused)
{
    pthread_mutex_lock(&lock);
    while (!is_closed || queued > 0) {
        if (queued > 0) {
            queued--;
            done++;
        } else {
            pthread_cond_wait(&changed, &lock);
        }
    }
    pthread_mutex_unlock(&lock);
    return unused;
}

static void *submit(void *unused)
{
    pthread_mutex_lock(&lock);
    int is_late = is_closed;
    pthread_mutex_unlock(&lock);
    if (is_late) {
        refused++;
        return unused;
    }
    pthread_mutex_lock(&lock);
    queued++;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    return unused;
}

static int trial(void)
{
    pthread_t worker, submitter;
    is_closed = queued = done = refused = 0;
    pthread_create(&submitter, NULL, submit, NULL);
    pthread_create(&worker, NULL, work, NULL);
    pthread_mutex_lock(&lock);
    is_closed = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    pthread_join(worker, NULL);
    pthread_join(submitter, NULL);
    return done + refused == 0;
}
