/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdlib.h>

#define WORKERS 1500

static pthread_mutex_t account = PTHREAD_MUTEX_INITIALIZER, ledger = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work_came = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t both;

static void *worker(void *unused)
{
    pthread_setname_np(pthread_self(), "worker");
    pthread_mutex_lock(&mutex);
    for (;;)
        pthread_cond_wait(&work_came, &mutex); /* HERE idles */
    return unused;
}

static void *debit(void *unused)
{
    pthread_setname_np(pthread_self(), "debit");
    pthread_mutex_lock(&account);
    pthread_barrier_wait(&both);
    pthread_mutex_lock(&ledger); /* HERE debit-wants */
    return unused;
}

static void *credit(void *unused)
{
    pthread_setname_np(pthread_self(), "credit");
    pthread_mutex_lock(&ledger);
    pthread_barrier_wait(&both);
    pthread_mutex_lock(&account); /* HERE credit-wants */
    return unused;
}

int main(void)
{
    pthread_attr_t small;
    pthread_t thread;

    pthread_barrier_init(&both, NULL, 2);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    for (int i = 0; i < WORKERS; i++) {
        if (i == WORKERS / 2)
            pthread_create(&thread, &small, debit, NULL);
        if (pthread_create(&thread, &small, worker, NULL))
            abort();
    }
    pthread_create(&thread, &small, credit, NULL);
    pthread_join(thread, NULL);
    return 0;
}
