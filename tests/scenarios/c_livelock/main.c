/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <time.h>

static pthread_mutex_t locks[2] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static pthread_barrier_t in_step;

static struct timespec in_ms(long ms)
{
    struct timespec at;

    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_nsec += ms * 1000000;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

static void *gives_way(void *arg)
{
    pthread_mutex_t *mine = arg, *other = mine == locks ? &locks[1] : &locks[0];

    pthread_setname_np(pthread_self(), mine == locks ? "polite" : "courteous");
    for (;;) {
        pthread_mutex_lock(mine);
        pthread_barrier_wait(&in_step);
        struct timespec limit = in_ms(100);
        if (pthread_mutex_timedlock(other, &limit) != ETIMEDOUT) /* HERE wants */
            return NULL;
        pthread_barrier_wait(&in_step);
        pthread_mutex_unlock(mine);
    }
}

int main(void)
{
    pthread_t first, second;

    pthread_barrier_init(&in_step, NULL, 2);
    pthread_create(&first, NULL, gives_way, &locks[0]);
    pthread_create(&second, NULL, gives_way, &locks[1]);
    pthread_join(first, NULL);
    pthread_join(second, NULL);
    return 0;
}
