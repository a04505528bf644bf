/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stddef.h>
#include <unistd.h>

static pthread_mutex_t account_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t journal_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both_have_one;

static void *debit(void *unused)
{
    pthread_setname_np(pthread_self(), "debit");
    pthread_mutex_lock(&account_lock);
    pthread_barrier_wait(&both_have_one);
    pthread_mutex_lock(&journal_lock); /* HERE debit-wants */
    pthread_mutex_unlock(&journal_lock);
    pthread_mutex_unlock(&account_lock);
    return unused;
}

static void *credit(void *unused)
{
    pthread_setname_np(pthread_self(), "credit");
    pthread_mutex_lock(&journal_lock);
    pthread_barrier_wait(&both_have_one);
    pthread_mutex_lock(&account_lock); /* HERE credit-wants */
    pthread_mutex_unlock(&account_lock);
    pthread_mutex_unlock(&journal_lock);
    return unused;
}

static void *bystander(void *unused)
{
    pthread_setname_np(pthread_self(), "bystander");
    for (;;)
        pause();
    return unused;
}

int main(void)
{
    pthread_t threads[3];
    pthread_barrier_init(&both_have_one, NULL, 2);
    pthread_create(&threads[0], NULL, bystander, NULL);
    pthread_create(&threads[1], NULL, debit, NULL);
    pthread_create(&threads[2], NULL, credit, NULL);
    pthread_join(threads[1], NULL);
    pthread_join(threads[2], NULL);
    return 0;
}
