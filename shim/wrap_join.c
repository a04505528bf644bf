/* SPDX-License-Identifier: MIT */
/* Joining and detaching, in every form. */
#include "shim/perturb_delay.h"
#include "shim/real.h"
#include "shim/recorder.h"
#include "shim/thread.h"
#include "shim/wait.h"

struct join {
    struct rw_wait_scope wait;
    struct rw_launch *target; /* NULL: the thread has no slot */
    uint64_t pthread;
    uint32_t generation;
    const void *return_address;
};

static void find_target(struct join *join, uint64_t pthread, const void *return_address)
{
    join->pthread = pthread;
    join->return_address = return_address;
    join->target = rw_is_recording_own() ? rw_slot_find(pthread) : NULL;
    join->generation = join->target ? join->target->generation : 0;
}

static void begin(struct join *join, uint64_t pthread, const struct timespec *deadline, clockid_t clock,
                  const void *return_address)
{
    find_target(join, pthread, return_address);
    rw_record_event(RW_EVENT_THREAD_JOIN_BEGIN, pthread, 0, return_address);
    rw_wait_begin(&join->wait, RW_WAIT_JOIN, (const void *)pthread, 0, deadline, clock, return_address);
}

static void joined(struct join *join, int result)
{
    if (result == 0)
        rw_thread_joined(join->target, join->generation);
    rw_record_event(RW_EVENT_THREAD_JOIN_END, join->pthread, (uint64_t)result, join->return_address);
}

static void end(struct join *join, int result)
{
    rw_wait_end(&join->wait, result);
    joined(join, result);
}

/* A join is a cancellation point. */
#define JOIN(result, pthread, deadline, clock, call)                                                         \
    do {                                                                                                     \
        struct join join;                                                                                    \
        rw_delay(RW_DELAY_JOIN, __builtin_return_address(0));                                                \
        begin(&join, (uint64_t)(pthread), deadline, clock, __builtin_return_address(0));                     \
        pthread_cleanup_push(rw_wait_cancelled, &join.wait);                                                 \
        result = call;                                                                                       \
        pthread_cleanup_pop(0);                                                                              \
        end(&join, result);                                                                                  \
        rw_delay(RW_DELAY_JOINED, __builtin_return_address(0));                                              \
    } while (0)

RW_EXPORT int pthread_join(pthread_t thread, void **value)
{
    int result;
    JOIN(result, thread, NULL, 0, RW_REAL_OF(pthread_join)(thread, value));
    return result;
}

RW_EXPORT int pthread_timedjoin_np(pthread_t thread, void **value, const struct timespec *deadline)
{
    int result;
    JOIN(result, thread, deadline, CLOCK_REALTIME, RW_REAL_OF(pthread_timedjoin_np)(thread, value, deadline));
    return result;
}

RW_EXPORT int pthread_clockjoin_np(pthread_t thread, void **value, clockid_t clock,
                                   const struct timespec *deadline)
{
    int result;
    JOIN(result, thread, deadline, clock, RW_REAL_OF(pthread_clockjoin_np)(thread, value, clock, deadline));
    return result;
}

RW_EXPORT int thrd_join(thrd_t thread, int *value)
{
    int result;
    JOIN(result, thread, NULL, 0, RW_REAL_OF(thrd_join)(thread, value));
    return result;
}

RW_EXPORT int pthread_tryjoin_np(pthread_t thread, void **value)
{
    struct join join;
    find_target(&join, (uint64_t)thread, __builtin_return_address(0));
    int result = RW_REAL_OF(pthread_tryjoin_np)(thread, value);
    if (result == 0)
        joined(&join, result);
    return result;
}

static void detach(uint64_t pthread, struct rw_launch *target, int result, const void *return_address)
{
    if (result == 0)
        rw_thread_detached(target);
    rw_record_event(RW_EVENT_THREAD_DETACH, pthread, (uint64_t)result, return_address);
}

RW_EXPORT int pthread_detach(pthread_t thread)
{
    struct rw_launch *target = rw_is_recording_own() ? rw_slot_find((uint64_t)thread) : NULL;
    int result = RW_REAL_OF(pthread_detach)(thread);
    detach((uint64_t)thread, target, result, __builtin_return_address(0));
    return result;
}

RW_EXPORT int thrd_detach(thrd_t thread)
{
    struct rw_launch *target = rw_is_recording_own() ? rw_slot_find((uint64_t)thread) : NULL;
    int result = RW_REAL_OF(thrd_detach)(thread);
    detach((uint64_t)thread, target, result, __builtin_return_address(0));
    return result;
}
