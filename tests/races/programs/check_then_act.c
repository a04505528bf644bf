/* SPDX-License-Identifier: MIT */
/* Whether it is there is asked under the lock, and it is made under the lock, but not under the same one: it
 * is made twice. */
#include "trial.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int made;

static void *make_if_missing(void *unused)
{
    pthread_mutex_lock(&lock);
    int is_missing = made == 0;
    pthread_mutex_unlock(&lock);
    if (is_missing) {
        pthread_mutex_lock(&lock);
        made++;
        pthread_mutex_unlock(&lock);
    }
    return unused;
}

static int trial(void)
{
    made = 0;
    both(make_if_missing, make_if_missing);
    return made > 1;
}
