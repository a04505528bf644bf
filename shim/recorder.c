/* SPDX-License-Identifier: MIT */
#include "shim/recorder.h"

#include <time.h>

#include "shim/raw.h"
#include "shim/real.h"
#include "shim/recording_file.h"
#include "shim/self.h"
#include "shim/text.h"

struct rw_live *rw_live;
bool rw_is_confined;

bool rw_recorder_is_on(void)
{
    return rw_live != NULL;
}

bool rw_is_vfork_child(void)
{
    return rw_live != NULL && rw_live->pid != 0 && !rw_is_confined &&
           (rw_self.is_not_asked || rw_live->pid != (int32_t)rw_raw0(SYS_getpid));
}

uint64_t rw_recorder_now(void)
{
    struct timespec now;
    if (rw_real.clock_gettime)
        rw_real.clock_gettime(CLOCK_MONOTONIC, &now);
    else
        rw_raw3(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint32_t rw_recorder_since_ms(void)
{
    struct timespec now;
    if (!rw_real.clock_gettime || !rw_header)
        return 0;
    rw_real.clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    uint64_t ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    return ns > rw_header->created_ns ? (uint32_t)((ns - rw_header->created_ns) / 1000000u) : 0;
}

bool rw_table_begin(uint32_t *writing)
{
    enum { SPINS = 1000, YIELDS = 1000 }; /* an update takes less than a microsecond */
    for (int tries = 0; tries < SPINS + YIELDS; tries++) {
        if (!__atomic_load_n(writing, __ATOMIC_RELAXED) && !__atomic_exchange_n(writing, 1, __ATOMIC_ACQUIRE))
            return true;
        if (tries < SPINS || rw_is_confined)
            __builtin_ia32_pause();
        else
            rw_raw0(SYS_sched_yield);
    }
    return false;
}

void rw_event_append(struct rw_self *self, uint64_t now, enum rw_event_kind kind, uint64_t object,
                     uint64_t arg, uint64_t return_address)
{
    struct rw_slot *slot = &self->area->slot;
    uint64_t number = slot->lifecycle_written;
    slot->lifecycle[number % RW_EVENT_MAX] = (struct rw_event){
        .time_ns = now,
        .object = object,
        .arg = arg,
        .return_address = return_address,
        .kind = kind,
        .count = 1,
    };
    __atomic_store_n(&slot->lifecycle_written, number + 1, __ATOMIC_RELEASE);
    __atomic_store_n(&slot->transitions, slot->transitions + 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&rw_header->progress, 1, __ATOMIC_RELAXED);
}

void rw_record_event(enum rw_event_kind kind, uint64_t object, uint64_t arg, const void *return_address)
{
    struct rw_self *self = rw_enter();
    if (!self)
        return;
    rw_event_append(self, rw_recorder_now(), kind, object, arg, (uint64_t)return_address);
    rw_leave(self);
}

void rw_interpreter_call_begin(struct rw_interpreter_call *outer, enum rw_interpreter_op op,
                               uint64_t interpreter, uint64_t interpreter_id, const void *return_address)
{
    outer->depth = UINT32_MAX; /* nothing was recorded: nothing to go back to */
    struct rw_self *self = rw_enter();
    if (!self)
        return;
    struct rw_slot *slot = &self->area->slot;
    *outer = slot->interpreter_call;
    rw_write_begin(&slot->sequence);
    slot->interpreter_call = (struct rw_interpreter_call){
        .op = op,
        .depth = outer->depth + 1,
        .interpreter = interpreter,
        .interpreter_id = interpreter_id,
        .since_ns = rw_recorder_now(),
        .return_address = (uint64_t)return_address,
    };
    rw_write_end(&slot->sequence);
    rw_leave(self);
}

void rw_interpreter_call_end(const struct rw_interpreter_call *outer)
{
    struct rw_self *self = outer->depth == UINT32_MAX ? NULL : rw_enter();
    if (!self)
        return;
    struct rw_slot *slot = &self->area->slot;
    rw_write_begin(&slot->sequence);
    slot->interpreter_call = *outer;
    rw_write_end(&slot->sequence);
    rw_leave(self);
}

void rw_record_milestone(enum rw_milestone milestone)
{
    struct rw_self *self = rw_enter_without_slot();
    if (!self)
        return;
    uint64_t *const times[] = {
        [RW_MILESTONE_MAIN_RETURNED] = &rw_header->main_returned_ns,
        [RW_MILESTONE_EXIT_BEGIN] = &rw_header->exit_begin_ns,
        [RW_MILESTONE_FINALIZE_BEGIN] = &rw_header->finalize_begin_ns,
        [RW_MILESTONE_FINALIZE_END] = &rw_header->finalize_end_ns,
    };
    uint64_t never = 0;
    __atomic_compare_exchange_n(times[milestone], &never, rw_recorder_now(), false, __ATOMIC_RELEASE,
                                __ATOMIC_RELAXED);
    rw_leave(self);
}

void rw_record_problem(int error, const char *what, const char *detail)
{
    struct rw_self *self = rw_enter_without_slot();
    if (!self)
        return;
    uint32_t number = __atomic_fetch_add(&rw_header->problem_count, 1, __ATOMIC_RELAXED);
    if (number < RW_PROBLEM_MAX) {
        struct rw_problem *problem = &rw_header->problems[number];
        struct rw_text text;
        rw_write_begin(&problem->sequence);
        problem->error = (uint32_t)error;
        rw_text_begin(&text, problem->detail, sizeof problem->detail);
        rw_text_add(&text, what);
        if (detail) {
            rw_text_add(&text, ": ");
            rw_text_add(&text, detail);
        }
        rw_write_end(&problem->sequence);
    }
    rw_leave(self);
}

void rw_record_hook(enum rw_hook hook, enum rw_hook_way way)
{
    struct rw_self *self = rw_enter_without_slot();
    if (!self)
        return;
    __atomic_store_n(&rw_header->hooks[hook], way, __ATOMIC_RELAXED);
    rw_leave(self);
}
