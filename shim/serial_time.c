/* SPDX-License-Identifier: MIT */
/*
 * Time in serial mode: a clock that the model moves. It goes on a little with each point and each look at it,
 * and jumps to the next deadline when nobody can run; so a program sees the same times in each run with the
 * same seed. Only what computes for long, without a point, sees real time pass.
 */
#include <errno.h>
#include <sys/time.h>
#include <unistd.h>

#include "shim/recorder.h"
#include "shim/raw.h"
#include "shim/serial_sync.h"

#define S INT64_C(1000000000)
#define LOOK_NS 1000
#define LONG_NS UINT64_C(100000000)

static int64_t realtime_ahead, boottime_ahead; /* of CLOCK_MONOTONIC */

static int64_t ns_of(const struct timespec *time)
{
    return (int64_t)time->tv_sec * S + time->tv_nsec;
}

static struct timespec time_of(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / S, .tv_nsec = ns % S};
}

static bool is_valid(const struct timespec *time)
{
    return time->tv_sec >= 0 && time->tv_nsec >= 0 && time->tv_nsec < S;
}

static int64_t real_ns(clockid_t clock)
{
    struct timespec now = {0};
    rw_raw3(SYS_clock_gettime, clock, (long)&now, 0);
    return ns_of(&now);
}

/* *ahead: how far the clock is ahead of CLOCK_MONOTONIC. False for one that the model does not move. */
static bool is_bent(clockid_t clock, int64_t *ahead)
{
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        *ahead = realtime_ahead;
        return true;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_MONOTONIC_RAW:
        *ahead = 0;
        return true;
    case CLOCK_BOOTTIME:
        *ahead = boottime_ahead;
        return true;
    default:
        return false;
    }
}

/* A look at the clock is no point. But a thread that has looked at it for long without one sees it go. */
static int64_t look(void)
{
    static uint64_t steps, since_ns;
    if (!rw_serial_self.thread || rw_serial_self.is_inside || rw_serial.holder != rw_serial_self.thread)
        return (int64_t)__atomic_load_n(&rw_serial.now, __ATOMIC_RELAXED);
    uint64_t real = rw_recorder_now();
    if (steps != rw_serial.steps + rw_serial.asks) {
        steps = rw_serial.steps + rw_serial.asks;
        since_ns = real;
    }
    uint64_t passed = LOOK_NS;
    if (real - since_ns > LONG_NS) {
        passed = real - since_ns - LONG_NS;
        since_ns = real - LONG_NS;
    }
    return (int64_t)__atomic_add_fetch(&rw_serial.now, passed, __ATOMIC_RELAXED);
}

uint64_t rw_serial_deadline(clockid_t clock, const struct timespec *deadline)
{
    int64_t ahead = 0;
    is_bent(clock, &ahead);
    if (deadline->tv_sec > INT64_MAX / S - 1)
        return RW_SERIAL_NEVER;
    int64_t ns = ns_of(deadline) - ahead;
    return ns < 0 ? 0 : (uint64_t)ns;
}

void rw_serial_real_deadline(clockid_t clock, const struct timespec *deadline, struct timespec *real)
{
    int64_t ahead;
    *real = *deadline;
    if (is_bent(clock, &ahead) && is_valid(deadline))
        *real = time_of(ns_of(deadline) - (int64_t)rw_serial.now + (int64_t)rw_recorder_now());
}

static int get_clock(clockid_t clock, struct timespec *time)
{
    int64_t ahead;
    if (!is_bent(clock, &ahead))
        return rw_serial_libc.libc_clock_gettime(clock, time);
    *time = time_of(look() + ahead);
    return 0;
}

static int get_time_of_day(struct timeval *time, void *zone)
{
    if (zone)
        rw_serial_libc.gettimeofday(time, zone);
    int64_t ns = look() + realtime_ahead;
    if (time)
        *time = (struct timeval){.tv_sec = ns / S, .tv_usec = ns % S / 1000};
    return 0;
}

static time_t get_time(time_t *where)
{
    time_t seconds = (look() + realtime_ahead) / S;
    if (where)
        *where = seconds;
    return seconds;
}

static int get_c11(struct timespec *time, int base)
{
    if (base != TIME_UTC)
        return rw_serial_libc.timespec_get(time, base);
    *time = time_of(look() + realtime_ahead);
    return base;
}

/* Sleeps until then; *left: what is left where a signal came first. */
static enum rw_serial_outcome sleep_until(uint64_t deadline, bool is_from_now, struct timespec *left)
{
    pthread_testcancel();
    struct rw_serial_thread *self = rw_serial_enter();
    if (!self)
        return RW_SERIAL_NOT_OURS;
    rw_serial_wait_begin(self, NULL, NULL, is_from_now ? rw_serial.now + deadline : deadline);
    self->is_interruptible = true;
    enum rw_serial_outcome outcome = rw_serial_wait(self);
    if (outcome == RW_SERIAL_INTERRUPTED && left)
        *left = time_of(self->deadline > rw_serial.now ? (int64_t)(self->deadline - rw_serial.now) : 0);
    rw_serial_leave(self);
    return outcome;
}

enum rw_serial_outcome rw_serial_sleep(uint64_t ns, struct timespec *left)
{
    return sleep_until(ns, true, left);
}

static int sleep_clock(clockid_t clock, int flags, const struct timespec *length, struct timespec *left)
{
    int64_t ahead;
    if (!is_bent(clock, &ahead) || !is_valid(length))
        return rw_serial_libc.clock_nanosleep(clock, flags, length, left);
    bool is_from_now = !(flags & TIMER_ABSTIME);
    uint64_t deadline = is_from_now ? (uint64_t)ns_of(length) : rw_serial_deadline(clock, length);
    enum rw_serial_outcome outcome = sleep_until(deadline, is_from_now, is_from_now ? left : NULL);
    if (outcome == RW_SERIAL_NOT_OURS)
        return rw_serial_libc.clock_nanosleep(clock, flags, length, left);
    return outcome == RW_SERIAL_INTERRUPTED ? EINTR : 0;
}

static int sleep_ns(const struct timespec *length, struct timespec *left)
{
    if (!is_valid(length))
        return rw_serial_libc.nanosleep(length, left);
    int error = sleep_clock(CLOCK_MONOTONIC, 0, length, left);
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}

static int sleep_us(useconds_t length)
{
    struct timespec time = time_of((int64_t)length * 1000);
    return sleep_ns(&time, NULL);
}

static unsigned sleep_s(unsigned length)
{
    int kept = errno;
    struct timespec time = {.tv_sec = length}, left = {0};
    if (sleep_ns(&time, &left) == 0)
        return 0;
    errno = kept;
    return (unsigned)left.tv_sec + (left.tv_nsec >= S / 2);
}

static int yield(void)
{
    struct rw_serial_thread *self = rw_serial_enter();
    if (!self)
        return rw_serial_libc.sched_yield();
    rw_serial_policy_yielded(&rw_serial.policy, &self->candidate);
    rw_serial_point(self, NULL);
    rw_serial_leave(self);
    return 0;
}

void rw_serial_time_install(void)
{
    realtime_ahead = real_ns(CLOCK_REALTIME) - real_ns(CLOCK_MONOTONIC);
    boottime_ahead = real_ns(CLOCK_BOOTTIME) - real_ns(CLOCK_MONOTONIC);
    rw_real.libc_clock_gettime = get_clock;
    rw_real.gettimeofday = get_time_of_day;
    rw_real.time = get_time;
    rw_real.timespec_get = get_c11;
    rw_real.clock_nanosleep = sleep_clock;
    rw_real.nanosleep = sleep_ns;
    rw_real.usleep = sleep_us;
    rw_real.sleep = sleep_s;
    rw_real.sched_yield = yield;
}
