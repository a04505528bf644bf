/* SPDX-License-Identifier: MIT */
/* Money leaves one account and arrives at the other under their locks, but who adds both up may come in
 * between. */
#include "trial.h"

static pthread_mutex_t locks[2] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static int money[2], sum;

static void *move(void *unused)
{
    pthread_mutex_lock(&locks[0]);
    money[0] -= 10;
    pthread_mutex_unlock(&locks[0]);
    pthread_mutex_lock(&locks[1]);
    money[1] += 10;
    pthread_mutex_unlock(&locks[1]);
    return unused;
}

static void *add_up(void *unused)
{
    pthread_mutex_lock(&locks[0]);
    pthread_mutex_lock(&locks[1]);
    sum = money[0] + money[1];
    pthread_mutex_unlock(&locks[1]);
    pthread_mutex_unlock(&locks[0]);
    return unused;
}

static int trial(void)
{
    money[0] = money[1] = 50;
    both(move, add_up);
    return sum != 100;
}
