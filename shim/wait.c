/* SPDX-License-Identifier: MIT */
#include "shim/wait.h"

#include <errno.h>

#include "shim/recorder.h"

#define COALESCE_NS UINT64_C(1000000000)
#define CAPTURE_AGAIN_NS UINT64_C(50000000)

/* A wait with a deadline is mostly one turn of a loop (CPython waits for the GIL 5 ms at a time) and looks
 * the same each time: copied once in a while. One without a deadline may be the last thing that this thread
 * ever does. */
static bool is_captured_already(struct rw_self *self, const struct rw_wait *wait, uint64_t now)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    bool has_deadline = wait->flags & RW_WAIT_HAS_DEADLINE;
    if (has_deadline && self->captured_object == wait->object &&
        self->captured_return_address == wait->return_address && self->captured_stack_pointer == here &&
        now - self->captured_ns < CAPTURE_AGAIN_NS)
        return true;
    self->captured_ns = now;
    self->captured_object = has_deadline ? wait->object : 0;
    self->captured_return_address = wait->return_address;
    self->captured_stack_pointer = here;
    return false;
}

static uint64_t append(struct rw_slot *slot, const struct rw_wait *wait, uint64_t now)
{
    uint64_t written = slot->waits_written;
    struct rw_event *last = &slot->waits[(written - 1) % RW_EVENT_MAX];
    if (written > 0 && (uint32_t)last->arg == wait->kind && last->object == wait->object &&
        last->return_address == wait->return_address && last->end_ns != 0 &&
        now - last->end_ns < COALESCE_NS) {
        last->count++;
        last->end_ns = 0;
        return written - 1;
    }
    slot->waits[written % RW_EVENT_MAX] = (struct rw_event){
        .time_ns = now,
        .object = wait->object,
        .arg = wait->kind,
        .return_address = wait->return_address,
        .kind = RW_EVENT_WAIT,
        .count = 1,
    };
    __atomic_store_n(&slot->waits_written, written + 1, __ATOMIC_RELEASE);
    __atomic_store_n(&slot->transitions, slot->transitions + 1, __ATOMIC_RELAXED);
    return written;
}

void rw_wait_begin(struct rw_wait_scope *scope, enum rw_wait_kind kind, const volatile void *object,
                   uint64_t object2, const struct timespec *deadline, clockid_t clock,
                   const void *return_address)
{
    struct rw_self *self = scope->self = rw_enter();
    if (!self)
        return;
    struct rw_slot *slot = &self->area->slot;
    uint64_t now = rw_recorder_now();
    struct rw_wait wait = {
        .kind = kind,
        .flags = deadline ? RW_WAIT_HAS_DEADLINE : 0,
        .object = (uint64_t)object,
        .object2 = object2,
        .deadline_ns = deadline ? (uint64_t)deadline->tv_sec * 1000000000u + (uint64_t)deadline->tv_nsec : 0,
        .clock = deadline ? clock : 0,
        .return_address = (uint64_t)return_address,
    };
    scope->epoch = rw_live->epoch;
    scope->outer_state = slot->state;
    scope->outer_since = slot->since_ns;
    if (slot->state == RW_THREAD_WAITING)
        scope->outer_wait = slot->wait;
    if (!is_captured_already(self, &wait, now))
        rw_capture_wait(self, now);
    scope->event = append(slot, &wait, now);
    rw_write_begin(&slot->sequence);
    slot->state = RW_THREAD_WAITING;
    slot->since_ns = now;
    slot->wait = wait;
    rw_write_end(&slot->sequence);
    rw_leave(self);
}

void rw_wait_end(struct rw_wait_scope *scope, int result)
{
    struct rw_self *self = scope->self ? rw_enter() : NULL;
    if (!self)
        return;
    if (rw_live->epoch != scope->epoch) { /* forked meanwhile: the wait began in another process */
        rw_leave(self);
        return;
    }
    struct rw_slot *slot = &self->area->slot;
    uint64_t now = rw_recorder_now();
    rw_write_begin(&slot->sequence);
    slot->state = scope->outer_state;
    slot->since_ns = scope->outer_state == RW_THREAD_RUNNING ? now : scope->outer_since;
    if (scope->outer_state == RW_THREAD_WAITING)
        slot->wait = scope->outer_wait;
    rw_write_end(&slot->sequence);
    struct rw_event *event = &slot->waits[scope->event % RW_EVENT_MAX];
    if (slot->waits_written - scope->event <= RW_EVENT_MAX) {
        event->arg = (uint32_t)event->arg | (uint64_t)(uint32_t)result << 32;
        event->end_ns = now;
    }
    rw_leave(self);
}

void rw_wait_cancelled(void *scope)
{
    rw_wait_end(scope, ECANCELED);
}
