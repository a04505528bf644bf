/* SPDX-License-Identifier: MIT */
/*
 * Sleeps for half an hour by select() and poll(), beside a thread that sleeps likewise: in serial mode, where
 * time is the model's, it is over at once. Ends with 1 if a call or the clock says something else than after
 * real sleeps.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/select.h>
#include <time.h>

static atomic_bool is_over;

static void *naps(void *unused)
{
    while (!is_over) {
        struct timeval length = {.tv_sec = 100};
        select(0, NULL, NULL, NULL, &length);
    }
    return unused;
}

static time_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec;
}

int main(void)
{
    pthread_t thread;
    time_t begin = now();
    struct timeval length = {.tv_sec = 1000};

    if (pthread_create(&thread, NULL, naps, NULL) != 0)
        abort();
    bool is_right = select(0, NULL, NULL, NULL, &length) == 0 && length.tv_sec == 0 && length.tv_usec == 0 &&
                    poll(NULL, 0, 1000 * 1000) == 0 && now() - begin >= 2000;
    is_over = true;
    pthread_join(thread, NULL);
    return is_right ? 0 : 1;
}
