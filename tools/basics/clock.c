/* SPDX-License-Identifier: MIT */
#include "tools/basics/clock.h"

#include <time.h>

#define SECOND_NS UINT64_C(1000000000)

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / (double)SECOND_NS;
}

uint64_t rw_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

double rw_now_s(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

double rw_realtime_s(void)
{
    return seconds_of(CLOCK_REALTIME);
}
