/* SPDX-License-Identifier: MIT */
/* A thread waits for a condition while it holds a mutex, another one wants that mutex, main joins: no cycle.
 */
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t job_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t job_came = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t table_is_locked;

static __attribute__((noinline)) void wait_for_job(void)
{
    pthread_mutex_lock(&job_lock);
    pthread_cond_wait(&job_came, &job_lock); /* HERE keeper-waits */
    pthread_mutex_unlock(&job_lock);
}

static void *keeper(void *unused)
{
    pthread_setname_np(pthread_self(), "keeper");
    pthread_mutex_lock(&table_lock);
    pthread_barrier_wait(&table_is_locked);
    wait_for_job();
    pthread_mutex_unlock(&table_lock);
    return unused;
}

static void *wanter(void *unused)
{
    pthread_setname_np(pthread_self(), "wanter");
    pthread_mutex_lock(&table_lock); /* HERE wanter-wants */
    pthread_mutex_unlock(&table_lock);
    return unused;
}

int main(void)
{
    pthread_t threads[2];
    pthread_barrier_init(&table_is_locked, NULL, 2);
    pthread_create(&threads[0], NULL, keeper, NULL);
    pthread_barrier_wait(&table_is_locked);
    pthread_create(&threads[1], NULL, wanter, NULL);
    puts("ready");
    fflush(stdout);
    pthread_join(threads[1], NULL); /* HERE main-joins */
    return 0;
}
