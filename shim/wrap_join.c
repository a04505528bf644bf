/* SPDX-License-Identifier: MIT */
/* Joining and detaching, in every form. */
#include "shim/misuse.h"
#include "shim/perturb_delay.h"
#include "shim/real.h"
#include "shim/reaped.h"
#include "shim/recorder.h"
#include "shim/text.h"
#include "shim/thread.h"
#include "shim/wait.h"

struct join {
    struct rw_wait_scope wait;
    struct rw_launch *target; /* NULL: the thread has no slot */
    uint64_t pthread;
    uint32_t generation;
    bool is_joiner; /* the target's joiner_tid is this thread */
    const void *return_address;
};

static void tell_misuse(enum rw_misuse_kind kind, uint64_t pthread, const struct rw_reaped *before,
                        const void *return_address)
{
    struct rw_misuse misuse = {
        .kind = kind,
        .object = pthread,
        .return_address = (uint64_t)return_address,
        .other_ns = before->time_ns,
        .other_return_address = before->return_address,
        .other_tid = before->tid,
    };
    rw_copy(misuse.other_name, before->name, sizeof misuse.other_name);
    rw_misuse_record(&misuse);
}

/* A thread that is still joinable has a slot that nobody has reaped. Told before the call: glibc reads the
 * control block of a thread that is gone. */
static void check_joinable(const struct join *join)
{
    struct rw_reaped before;
    if (rw_is_recording_own() && !join->target && rw_reaped_find(join->pthread, &before)) {
        tell_misuse(before.how == RW_REAPED_JOINED ? RW_MISUSE_JOIN_JOINED : RW_MISUSE_JOIN_DETACHED,
                    join->pthread, &before, join->return_address);
    } else if (join->target && __atomic_load_n(&join->target->steps, __ATOMIC_ACQUIRE) & RW_STEP_REAPED) {
        if (!rw_reaped_find(join->pthread, &before))
            before = (struct rw_reaped){0};
        tell_misuse(RW_MISUSE_JOIN_DETACHED, join->pthread, &before, join->return_address);
    }
}

static void find_target(struct join *join, uint64_t pthread, const void *return_address)
{
    join->pthread = pthread;
    join->return_address = return_address;
    join->is_joiner = false;
    join->target = rw_is_recording_own() ? rw_slot_find(pthread) : NULL;
    join->generation = join->target ? join->target->generation : 0;
    check_joinable(join);
}

/* Two threads that join the same one at once: whoever comes second must not. */
static void become_joiner(struct join *join)
{
    int32_t before = 0, tid = rw_self_tid(&rw_self);
    if (!join->target)
        return;
    join->is_joiner = __atomic_compare_exchange_n(&join->target->joiner_tid, &before, tid, false,
                                                  __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    const struct rw_launch *joiner = join->is_joiner || before == tid ? NULL : rw_slot_of_tid(before);
    if (joiner)
        tell_misuse(RW_MISUSE_JOIN_JOINED, join->pthread,
                    &(struct rw_reaped){.tid = before,
                                        .time_ns = joiner->area->slot.since_ns,
                                        .return_address = joiner->area->slot.wait.return_address},
                    join->return_address);
}

static void be_no_joiner(struct join *join)
{
    if (join->is_joiner)
        __atomic_store_n(&join->target->joiner_tid, 0, __ATOMIC_RELAXED);
}

static void join_cancelled(void *join)
{
    be_no_joiner(join);
    rw_wait_cancelled(&((struct join *)join)->wait);
}

static void note_reaped(uint64_t pthread, enum rw_reaped_how how, const void *return_address)
{
    struct rw_self *self = rw_enter_without_slot();
    if (!self)
        return;
    rw_reaped_note(self, pthread, how, return_address);
    rw_leave(self);
}

static void begin(struct join *join, uint64_t pthread, const struct timespec *deadline, clockid_t clock,
                  const void *return_address)
{
    find_target(join, pthread, return_address);
    become_joiner(join);
    rw_record_event(RW_EVENT_THREAD_JOIN_BEGIN, pthread, 0, return_address);
    rw_wait_begin(&join->wait, RW_WAIT_JOIN, (const void *)pthread, 0, deadline, clock, return_address);
}

static void joined(struct join *join, int result)
{
    if (result == 0) {
        note_reaped(join->pthread, RW_REAPED_JOINED, join->return_address);
        rw_thread_joined(join->target, join->generation);
    } else {
        be_no_joiner(join);
    }
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
        RW_UNWOUND(join_cancelled, &join, result = call);                                                    \
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
    if (result == 0) {
        note_reaped(pthread, RW_REAPED_DETACHED, return_address);
        rw_thread_detached(target);
    }
    rw_record_event(RW_EVENT_THREAD_DETACH, pthread, (uint64_t)result, return_address);
}

/* A second detach of a thread that lives is an error that glibc tells; of one that is gone it is worse. */
static struct rw_launch *find_detached(uint64_t pthread, const void *return_address)
{
    struct rw_reaped before;
    struct rw_launch *target = rw_is_recording_own() ? rw_slot_find(pthread) : NULL;
    if (!target && rw_is_recording_own() && rw_reaped_find(pthread, &before))
        tell_misuse(RW_MISUSE_DETACH_GONE, pthread, &before, return_address);
    return target;
}

RW_EXPORT int pthread_detach(pthread_t thread)
{
    struct rw_launch *target = find_detached((uint64_t)thread, __builtin_return_address(0));
    int result = RW_REAL_OF(pthread_detach)(thread);
    detach((uint64_t)thread, target, result, __builtin_return_address(0));
    return result;
}

RW_EXPORT int thrd_detach(thrd_t thread)
{
    struct rw_launch *target = find_detached((uint64_t)thread, __builtin_return_address(0));
    int result = RW_REAL_OF(thrd_detach)(thread);
    detach((uint64_t)thread, target, result, __builtin_return_address(0));
    return result;
}
