/* SPDX-License-Identifier: MIT */
/* `if` instead of `while` around the wait: another consumer takes the item before the one that was woken for
 * it. */
#include "trial.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static int items, underflows;

static void *consume(void *unused)
{
    pthread_mutex_lock(&lock);
    if (items == 0)
        pthread_cond_wait(&filled, &lock);
    if (--items < 0)
        underflows++;
    pthread_mutex_unlock(&lock);
    return unused;
}

static void produce(void)
{
    pthread_mutex_lock(&lock);
    items++;
    pthread_cond_signal(&filled);
    pthread_mutex_unlock(&lock);
}

static int trial(void)
{
    pthread_t consumers[2];
    items = underflows = 0;
    pthread_create(&consumers[0], NULL, consume, NULL);
    pthread_create(&consumers[1], NULL, consume, NULL);
    produce();
    produce();
    pthread_join(consumers[0], NULL);
    pthread_join(consumers[1], NULL);
    return underflows > 0;
}
