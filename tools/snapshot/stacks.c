/* SPDX-License-Identifier: MIT */
/*
 * Where a thread's stack comes from. In this order:
 *   memory     what it holds now, of a thread that sleeps, from where /proc shows that it ends
 *   ptrace     registers and stack, while it was stopped: of one that runs, or whose stack takes a register
 * that neither its memory nor its recording has memory     and again, of one that could not be stopped
 *   recording  what it copied itself as it began the wait that it is in
 *   handler    what the shim's signal handler copied; last, since a signal makes some calls return EINTR
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "tools/incident/model.h"
#include "tools/recording/reader.h"
#include "tools/snapshot/asleep.h"
#include "tools/snapshot/calls.h"
#include "tools/snapshot/handler_capture.h"
#include "tools/snapshot/stack_sources.h"

#define STOP_TIMEOUT_MS 200u
#define HANDLER_TIMEOUT_MS 50u

/* What a stop would do to the call that it is blocked in, so that its stack has to be read as it lies there;
 * NULL if nothing. */
static const char *what_a_stop_does(struct rw_look *look, const struct rw_target *target)
{
    uint32_t slept_for, is_now;

    if (target->call_error != 0)
        return NULL;
    if (rw_call_may_be_partial(&target->call)) {
        const struct rw_call *call = rw_call_of(target->call.number);
        return talloc_asprintf(look->scratch, "cut its %s short", call ? call->name : "call");
    }
    if (rw_call_would_be_over(&target->call, look->image->memory, &slept_for, &is_now))
        return talloc_asprintf(look->scratch,
                               "end its wait: the futex was %u when it fell asleep, is %u now, and nobody "
                               "has woken it",
                               slept_for, is_now);
    return NULL;
}

/* Stops and copies these. */
static void stop(struct rw_look *look, struct rw_target **targets, size_t count)
{
    struct rw_copy *copies = talloc_zero_array(look->scratch, struct rw_copy, count + 1);
    unsigned timeout_ms = look->options.stop_timeout_ms ? look->options.stop_timeout_ms : STOP_TIMEOUT_MS;

    if (!copies)
        return;
    for (size_t i = 0; i < count; i++) {
        uint64_t pointer = targets[i]->call.stack_pointer;
        const struct rw_mapping *mapping = pointer ? rw_maps_find(look->image->maps, pointer) : NULL;
        copies[i] = (struct rw_copy){
            .tid = targets[i]->tid, .cpu = targets[i]->times.cpu, .stack_end = mapping ? mapping->end : 0};
    }
    int result = count ? rw_seize_copy(copies, count, timeout_ms) : 0;
    for (size_t i = 0; i < count; i++) {
        targets[i]->copy = copies[i];
        targets[i]->has_copy = true;
        if (result < 0)
            targets[i]->copy.error = result;
    }
    talloc_free(copies); /* the bytes are the targets' now */
}

void rw_stacks_copy(struct rw_look *look, size_t first)
{
    struct rw_target **awake = talloc_array(look->scratch, struct rw_target *, look->count - first + 1);
    size_t count = 0;

    for (size_t i = first; awake && i < look->count; i++) {
        struct rw_target *target = look->targets[i];
        if (rw_target_is_gone(target))
            continue;
        target->spared = what_a_stop_does(look, target);
        bool is_lying = rw_asleep_is_certain(target) && rw_asleep_read(look, target);
        if (!is_lying && !target->spared)
            awake[count++] = target;
    }
    if (awake)
        stop(look, awake, count);
    talloc_free(awake);
}

/* Of a thread that was not stopped. */
static bool from_its_wait(struct rw_look *look, struct rw_target *target)
{
    return rw_frames_from_memory(look, target) ||
           (target->has_slot && target->slot.state == RW_THREAD_WAITING &&
            rw_frames_from_capture(look, target, RW_CAPTURE_WAIT));
}

static void from_spared(struct rw_look *look, struct rw_target *target)
{
    from_its_wait(look, target);
    rw_stack_note(look, target,
                  target->has_stack ? "it was not stopped, which would %s"
                                    : "it was not stopped, which would %s; and it went on meanwhile",
                  target->spared);
}

/* Why there is no copy of a thread that should have been stopped, for people. */
static void note_refusal(struct rw_look *look, struct rw_target *target)
{
    char comm[RW_COMM_MAX];

    switch (target->copy.error) {
    case -ESRCH:
        rw_stack_note(look, target, "it ended while it was looked at");
        break;
    case -ETIMEDOUT:
        rw_stack_note(look, target, "it did not stop in time (state %c): it is inside the kernel",
                      target->times.state);
        break;
    case -ENOTSUP:
        rw_stack_note(look, target, "it runs 32-bit code, which is not supported");
        break;
    case -EPERM:
        if (look->tracer_pid == 0)
            rw_stack_note(look, target, "tracing it was refused");
        else
            rw_stack_note(look, target, "%s (process %d) traces it already",
                          rw_proc_comm(look->tracer_pid, comm) == 0 ? comm : "another program",
                          look->tracer_pid);
        break;
    default:
        rw_stack_note(look, target, "it could not be stopped: %s", strerror(-target->copy.error));
    }
}

/* Asks the handler in all threads that have no whole stack, at once. */
static void ask_handler(struct rw_look *look, struct rw_target **open, size_t count)
{
    unsigned timeout_ms =
        look->options.handler_timeout_ms ? look->options.handler_timeout_ms : HANDLER_TIMEOUT_MS;
    struct rw_asked *asked = talloc_zero_array(look->scratch, struct rw_asked, count + 1);
    size_t used = 0;

    if (!asked)
        return;
    for (size_t i = 0; i < count; i++)
        if (open[i]->has_slot)
            asked[used++] = (struct rw_asked){.tid = open[i]->tid, .slot = open[i]->slot_index};
    rw_handler_capture(look->reader, look->image->pid, asked, used, timeout_ms);
    for (size_t i = 0, at = 0; i < count && at < used; i++) {
        if (asked[at].tid != open[i]->tid)
            continue;
        if (asked[at].is_answered) {
            rw_frames_from_capture(look, open[i], RW_CAPTURE_HANDLER);
            rw_stack_note(
                look, open[i],
                "taken by a signal handler: a call such as epoll_wait, poll or sleep may have seen EINTR");
        } else
            rw_stack_note(look, open[i], "%s", asked[at].why_not);
        at++;
    }
}

/* Those that slept, as they lay. Who cannot be unwound so, for want of a register, is stopped after all. */
static void fill_asleep(struct rw_look *look)
{
    struct rw_target **others = talloc_array(look->scratch, struct rw_target *, look->count + 1);
    size_t count = 0;

    for (size_t i = 0; others && i < look->count; i++) {
        struct rw_target *target = look->targets[i];
        if (!target->lying.bytes || target->spared || rw_frames_from_memory(look, target))
            continue;
        rw_stack_forget(look, target);
        others[count++] = target;
    }
    if (others)
        stop(look, others, count);
    for (size_t i = 0; i < count; i++)
        if (others[i]->copy.error == -ESRCH)
            rw_process_find_thread(look->process, others[i]->tid)->is_alive = false;
    talloc_free(others);
}

void rw_stacks_fill(struct rw_look *look)
{
    struct rw_target **open = talloc_array(look->scratch, struct rw_target *, look->count + 1);
    size_t open_count = 0;

    for (size_t i = 0; i < look->count; i++)
        rw_process_find_thread(look->process, look->targets[i]->tid)->stack_source = "none";
    fill_asleep(look);
    for (size_t i = 0; open && i < look->count; i++) {
        struct rw_target *target = look->targets[i];
        struct rw_thread *thread = rw_process_find_thread(look->process, target->tid);
        if (!target->has_copy) {
            if (rw_target_is_gone(target))
                rw_stack_note(look, target, "it has ended (pthread_exit), and the process lives on");
            else if (target->spared)
                from_spared(look, target);
            continue;
        }
        thread->stopped_us = target->copy.stopped_us;
        if (target->copy.error == 0) {
            rw_frames_from_copy(look, target);
            continue;
        }
        if (target->copy.error != -ESRCH && from_its_wait(look, target))
            continue;
        note_refusal(look, target);
        /* A debugger would see the signal and stop; and no signal reaches a thread that does not leave the
         * kernel. */
        if (target->copy.error == -EPERM && look->tracer_pid == 0 && look->reader)
            open[open_count++] = target;
    }
    if (open_count > 0)
        ask_handler(look, open, open_count);
    talloc_free(open);
}
