/* SPDX-License-Identifier: MIT */
#include "shim/thread.h"

#include "shim/lock_order.h"
#include "shim/misuse.h"
#include "shim/perturb_delay.h"
#include "shim/python_hooks.h"
#include "shim/reaped.h"
#include "shim/recorder.h"
#include "shim/recording_file.h"

size_t rw_default_stack_size;

/* What the program's end began with, and when; 0: it has not begun. */
static enum rw_ending ending_of_program(uint64_t *since_ns)
{
    const struct rw_header *header = rw_header;
    if (header->finalize_begin_ns != 0 && header->finalize_end_ns == 0) {
        *since_ns = header->finalize_begin_ns;
        return RW_ENDING_FINALIZE;
    }
    *since_ns = header->main_returned_ns != 0 ? header->main_returned_ns : header->exit_begin_ns;
    return header->main_returned_ns != 0 ? RW_ENDING_MAIN_RETURNED : *since_ns != 0 ? RW_ENDING_EXIT : 0;
}

/* A thread that comes when the program is about to end. What becomes of it decides whether that was wrong. */
static void note_late(struct rw_launch *launch, const void *return_address)
{
    uint64_t since_ns;
    enum rw_ending ending = rw_is_recording_own() ? ending_of_program(&since_ns) : 0;
    if (ending == 0)
        return;
    launch->misuse = rw_misuse_record(&(struct rw_misuse){
        .kind = RW_MISUSE_LATE_THREAD,
        .object = launch->slot | (uint64_t)launch->generation << 32,
        .arg = ending,
        .return_address = (uint64_t)return_address,
        .other_ns = since_ns,
        .other_return_address = launch->area->slot.start_routine,
    });
}

static void settle_late(struct rw_launch *launch, enum rw_misuse_outcome outcome, const struct rw_slot *slot)
{
    uint32_t number = launch->misuse;
    if (number == 0)
        return;
    if (outcome == RW_OUTCOME_WELL) /* the entry may be another's from now on */
        launch->misuse = 0;
    rw_misuse_settle(number, outcome, slot);
}

struct rw_launch *rw_thread_prepare(uint64_t start_routine, bool is_detached, size_t stack_size,
                                    const void *return_address)
{
    /* Before entering: it may record the main interpreter. */
    uint64_t interpreter, interpreter_id;
    rw_python_creator_interpreter(return_address, &interpreter, &interpreter_id);
    struct rw_self *self = rw_enter();
    if (!self)
        return NULL;
    struct rw_launch *launch = rw_slot_take();
    if (launch) {
        struct rw_slot *slot = &launch->area->slot;
        launch->place = rw_place_next();
        launch->stack_size = stack_size != 0 ? stack_size : rw_default_stack_size;
        rw_write_begin(&slot->sequence);
        slot->flags = is_detached ? RW_SLOT_DETACHED : 0;
        slot->creator_tid = self->tid;
        slot->creator_slot = self->slot;
        slot->creator_generation = self->area->slot.generation;
        slot->start_routine = start_routine;
        slot->create_return_address = (uint64_t)return_address;
        slot->creator_interpreter = interpreter;
        slot->creator_interpreter_id = interpreter_id;
        slot->interpreter_call.interpreter_id = UINT64_MAX;
        slot->created_ns = slot->since_ns = rw_recorder_now();
        rw_current_test(slot->test);
        slot->state = RW_THREAD_NEW;
        rw_write_end(&slot->sequence);
        if (is_detached)
            rw_slot_step(launch, RW_STEP_REAPED);
    }
    rw_leave(self);
    if (launch) {
        rw_order_creates(launch->slot, launch->generation);
        note_late(launch, return_address);
    }
    return launch;
}

void rw_thread_created(struct rw_launch *launch, uint64_t pthread, int error, const void *return_address)
{
    if (!launch)
        return;
    if (error != 0) {
        settle_late(launch, RW_OUTCOME_WELL, NULL);
        rw_slot_give_back(launch);
        return;
    }
    /* Until the creator's step is done the slot is not taken again, even if the thread is gone already. */
    rw_slot_set_pthread(launch, pthread);
    struct rw_self *self = rw_enter();
    if (self) {
        rw_event_append(self, launch->area->slot.created_ns, RW_EVENT_THREAD_CREATE, pthread,
                        launch->slot | (uint64_t)launch->generation << 32, (uint64_t)return_address);
        if (__atomic_load_n(&launch->steps, __ATOMIC_ACQUIRE) & RW_STEP_REAPED)
            rw_reaped_note(self, pthread, RW_REAPED_DETACHED, return_address);
        rw_leave(self);
    }
    rw_slot_step(launch, RW_STEP_CREATOR_DONE);
    rw_delay_thread_made();
    rw_delay(RW_DELAY_CREATED, return_address);
}

/* The thread's frames end a little above this function's caller: in start_thread() and clone3(), whose frames
 * take some 200 bytes. Above them are thread-local storage and the control block, which pthread_self() points
 * to, all in one mapping. */
static void know_stack(struct rw_self *self, size_t size)
{
    const uintptr_t frames_above = 1024;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0), block = (uintptr_t)pthread_self();
    if (here >= block || block - here > size)
        return; /* not glibc's layout: copy nothing */
    self->stack_top = here + frames_above < block ? here + frames_above : block;
    self->stack_low = block - size;
}

void rw_thread_started(struct rw_launch *launch)
{
    struct rw_self *self = &rw_self;
    rw_place_take(launch->place);
    if (!rw_is_recording_own())
        return;
    self->is_busy = true;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    struct rw_slot *slot = &launch->area->slot;
    uint64_t now = rw_recorder_now();
    self->slot = launch->slot;
    self->area = launch->area;
    know_stack(self, launch->stack_size);
    rw_slot_set_pthread(launch, (uint64_t)pthread_self());
    rw_write_begin(&slot->sequence);
    slot->tid = rw_self_tid(self);
    slot->state = RW_THREAD_RUNNING;
    slot->started_ns = slot->since_ns = now;
    slot->stack_top = self->stack_top;
    slot->stack_size = self->stack_top - self->stack_low;
    rw_write_end(&slot->sequence);
    rw_event_append(self, now, RW_EVENT_THREAD_START, slot->start_routine, 0, 0);
    rw_leave(self);
}

static void set_final_state(struct rw_slot *slot, enum rw_thread_state state, uint64_t now)
{
    rw_write_begin(&slot->sequence);
    slot->state = state;
    slot->since_ns = now;
    rw_write_end(&slot->sequence);
}

/* Destructors of thread-specific data may still run, and wait; those of a detached thread, whose slot may
 * have a new owner by then, are not recorded. */
void rw_thread_ended(bool is_by_exit)
{
    if (rw_self.area && rw_is_recording_own())
        settle_late(rw_slot_launch(rw_self.slot), is_by_exit ? RW_OUTCOME_CUT : RW_OUTCOME_WELL,
                    &rw_self.area->slot);
    rw_order_ends();
    struct rw_self *self = rw_self.area ? rw_enter() : NULL;
    if (!self)
        return;
    struct rw_slot *slot = &self->area->slot;
    struct rw_launch *launch = rw_slot_launch(self->slot);
    uint64_t now = rw_recorder_now();
    if (is_by_exit)
        __atomic_fetch_or(&slot->flags, RW_SLOT_CANCELLED, __ATOMIC_RELAXED);
    rw_event_append(self, now, RW_EVENT_THREAD_EXIT, 0, is_by_exit, 0);
    bool is_detached = __atomic_load_n(&launch->steps, __ATOMIC_ACQUIRE) & RW_STEP_REAPED;
    rw_write_begin(&slot->sequence);
    slot->state = is_detached ? RW_THREAD_DETACHED : RW_THREAD_EXITED;
    slot->exited_ns = slot->since_ns = now;
    rw_write_end(&slot->sequence);
    if (is_detached) {
        self->area = NULL;
        self->is_over = true;
    }
    rw_slot_step(launch, RW_STEP_ENDED);
    rw_leave(self);
}

void rw_thread_unwound(void *unused)
{
    (void)unused;
    rw_thread_ended(true);
}

void rw_thread_detached(struct rw_launch *launch)
{
    struct rw_self *self = launch ? rw_enter_without_slot() : NULL;
    if (!self)
        return;
    struct rw_slot *slot = &launch->area->slot;
    __atomic_fetch_or(&slot->flags, RW_SLOT_DETACHED, __ATOMIC_RELAXED);
    rw_slot_step(launch, RW_STEP_REAPED);
    rw_leave(self);
}

static void joined_well(struct rw_launch *launch)
{
    settle_late(launch, RW_OUTCOME_WELL, &launch->area->slot);
    rw_order_joined(launch->slot, launch->generation);
}

void rw_thread_joined(struct rw_launch *launch, uint32_t generation)
{
    if (launch && launch->generation == generation)
        joined_well(launch);
    struct rw_self *self = launch ? rw_enter_without_slot() : NULL;
    if (!self)
        return;
    if (launch->generation == generation) {
        set_final_state(&launch->area->slot, RW_THREAD_JOINED, rw_recorder_now());
        rw_slot_step(launch, RW_STEP_ENDED | RW_STEP_REAPED);
    }
    rw_leave(self);
}
