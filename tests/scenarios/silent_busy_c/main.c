/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdint.h>
#include <time.h>

static volatile uint64_t result;

static void *busy(void *unused)
{
    struct timespec now;
    time_t end;
    clock_gettime(CLOCK_MONOTONIC, &now);
    end = now.tv_sec + 4;
    do {
        for (uint64_t i = 0; i < 1000000; i++)
            result += i * i;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec < end);
    return unused;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, busy, NULL);
    pthread_join(thread, NULL);
    return 0;
}
