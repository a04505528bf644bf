/* SPDX-License-Identifier: MIT */
/* Clocks and sleeps. Nothing is recorded of them: they are wrapped for serial mode, which puts its own
 * functions into rw_real; else each is a jump. */
#include <sched.h>
#include <sys/time.h>
#include <unistd.h>

#include "shim/real.h"

RW_EXPORT int clock_gettime(clockid_t clock, struct timespec *time)
{
    return RW_REAL_OF(libc_clock_gettime)(clock, time);
}

RW_EXPORT int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    return RW_REAL_OF(gettimeofday)(time, zone);
}

RW_EXPORT time_t time(time_t *where)
{
    return RW_REAL_OF(time)(where);
}

RW_EXPORT int timespec_get(struct timespec *time, int base)
{
    return RW_REAL_OF(timespec_get)(time, base);
}

RW_EXPORT int clock_nanosleep(clockid_t clock, int flags, const struct timespec *length,
                              struct timespec *left)
{
    return RW_REAL_OF(clock_nanosleep)(clock, flags, length, left);
}

RW_EXPORT int nanosleep(const struct timespec *length, struct timespec *left)
{
    return RW_REAL_OF(nanosleep)(length, left);
}

RW_EXPORT int usleep(useconds_t length)
{
    return RW_REAL_OF(usleep)(length);
}

RW_EXPORT unsigned sleep(unsigned length)
{
    return RW_REAL_OF(sleep)(length);
}

RW_EXPORT int sched_yield(void)
{
    return RW_REAL_OF(sched_yield)();
}
