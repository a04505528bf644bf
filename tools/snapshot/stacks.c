/* SPDX-License-Identifier: MIT */
/*
 * Where a thread's stack comes from. In this order:
 *   ptrace     registers and stack, while it was stopped
 *   recording  what it copied itself as it began the wait that it is in
 *   memory     what its stack holds now, found by the stack pointer that /proc shows of a blocked thread; the
 * other registers are not known handler    what the shim's signal handler copied; last, since a signal makes
 * some calls return EINTR
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "tools/incident/model.h"
#include "tools/recording/reader.h"
#include "tools/snapshot/calls.h"
#include "tools/snapshot/handler_capture.h"
#include "tools/snapshot/target.h"

#define STOP_TIMEOUT_MS 200u
#define HANDLER_TIMEOUT_MS 50u
#define PAGE UINT64_C(4096)

/* A copy of a wait that has a deadline may have served for equal waits before (shim/wait.c). */
#define CAPTURE_REUSED_NS UINT64_C(50000000)

#define RSP 7
#define RIP 16

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

void rw_stacks_copy(struct rw_look *look, size_t first)
{
    size_t count = 0;
    struct rw_copy *copies = talloc_zero_array(look->scratch, struct rw_copy, look->count - first + 1);
    unsigned timeout_ms = look->options.stop_timeout_ms ? look->options.stop_timeout_ms : STOP_TIMEOUT_MS;

    if (!copies)
        return;
    for (size_t i = first; i < look->count; i++) {
        struct rw_target *target = look->targets[i];
        if (rw_target_is_gone(target))
            continue;
        target->spared = what_a_stop_does(look, target);
        if (target->spared)
            continue;
        const struct rw_mapping *mapping =
            target->call.stack_pointer ? rw_maps_find(look->image->maps, target->call.stack_pointer) : NULL;
        copies[count++] = (struct rw_copy){
            .tid = target->tid, .cpu = target->times.cpu, .stack_end = mapping ? mapping->end : 0};
    }
    int result = count ? rw_seize_copy(copies, count, timeout_ms) : 0;
    for (size_t i = first, at = 0; i < look->count && at < count; i++) {
        struct rw_target *target = look->targets[i];
        if (target->tid != copies[at].tid)
            continue;
        target->copy = copies[at++];
        target->has_copy = true;
        if (result < 0)
            target->copy.error = result;
    }
    talloc_free(copies); /* the bytes are the targets' now */
}

static void note(struct rw_look *look, struct rw_thread *thread, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void note(struct rw_look *look, struct rw_thread *thread, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    char *text = talloc_vasprintf(look->incident, format, arguments);
    va_end(arguments);
    thread->stack_note =
        thread->stack_note ? talloc_asprintf(look->incident, "%s; %s", thread->stack_note, text) : text;
}

/* Unwinds; true if that led all the way out. */
static bool take(struct rw_look *look, struct rw_target *target, const struct rw_stack *stack,
                 const char *source)
{
    struct rw_thread *thread = rw_process_find_thread(look->process, target->tid);
    struct rw_frame *frames;
    const char *why;
    size_t count;

    if (rw_unwind(look->image, stack, look->incident, &frames, &count, &why) < 0 || count == 0)
        return false;
    /* A longer incomplete list may be there already. */
    if (target->has_stack && thread->native_count >= count) {
        talloc_free(frames);
        return false;
    }
    talloc_free(thread->native);
    thread->native = frames;
    thread->native_count = count;
    thread->stack_source = source;
    thread->stack_note = why;
    target->has_stack = true;
    return why == NULL;
}

/* Whether it is blocked in the very call in which it was stopped. *switches only grows when it runs. */
static bool is_back(const struct rw_look *look, const struct rw_target *target, uint64_t *switches)
{
    const struct rw_proc_syscall *then = &target->copy.call;
    struct rw_proc_syscall now;
    struct rw_thread_times times;

    if (then->number < 0 || rw_proc_thread(look->image->pid, target->tid, &times, NULL) < 0 ||
        rw_proc_syscall(look->image->pid, target->tid, &now) < 0)
        return false;
    *switches = times.switches;
    return now.number == then->number && now.stack_pointer == then->stack_pointer && now.pc == then->pc;
}

/* A stack longer than its copy is read to its end where the thread does not run meanwhile. */
static void from_copy(struct rw_look *look, struct rw_target *target)
{
    const struct rw_copy *copy = &target->copy;
    struct rw_stack stack = copy->stack;
    uint64_t before, after;

    stack.is_still = stack.address + stack.length < copy->stack_end && is_back(look, target, &before);
    take(look, target, &stack, "ptrace");
    if (stack.is_still && (!is_back(look, target, &after) || after != before))
        note(look, rw_process_find_thread(look->process, target->tid),
             "its stack is longer than the copy, and the outer frames were read while the thread ran on");
}

static bool from_capture(struct rw_look *look, struct rw_target *target, enum rw_capture_by by,
                         const char *source)
{
    uint8_t *bytes = talloc_size(look->scratch, RW_STACK_MAX);
    struct rw_capture capture;
    struct rw_stack stack;
    bool is_whole = false;

    if (!bytes)
        return false;
    if (rw_reader_capture(look->reader, target->slot_index, &capture, bytes) == 0 &&
        capture.by == (uint32_t)by &&
        (by == RW_CAPTURE_HANDLER || (capture.time_ns <= target->slot.since_ns &&
                                      target->slot.since_ns - capture.time_ns <= CAPTURE_REUSED_NS))) {
        rw_stack_from_capture(&capture, bytes, &stack);
        is_whole = take(look, target, &stack, source);
    }
    talloc_free(bytes);
    return is_whole;
}

/* A thread blocked in a system call leaves its stack as it is, so it can be read as it lies there; and /proc
 * says where. Functions that address their frame by rbp cannot be stepped over, since rbp is not known. */
static bool from_memory(struct rw_look *look, struct rw_target *target)
{
    struct rw_proc_syscall again;
    struct rw_stack stack = {.valid = 1u << RSP | 1u << RIP};
    uint64_t start = (target->call.stack_pointer - RW_RED_ZONE) & -UINT64_C(8), at = start;
    bool is_whole = false;

    if (target->call_error || target->call.number == -2 || !target->call.stack_pointer ||
        !rw_memory_is_live(look->image->memory))
        return false;
    uint8_t *bytes = talloc_size(look->scratch, RW_STACK_COPY_MAX);
    while (bytes && at < start + RW_STACK_COPY_MAX) {
        uint64_t next = (at & -PAGE) + PAGE;
        if (next > start + RW_STACK_COPY_MAX)
            next = start + RW_STACK_COPY_MAX;
        if (rw_memory_read(look->image->memory, at, bytes + (at - start), next - at) < 0)
            break;
        at = next;
    }
    stack.address = start;
    stack.bytes = bytes;
    stack.length = at - start;
    stack.registers[RSP] = target->call.stack_pointer;
    stack.registers[RIP] = target->call.pc;
    if (stack.length > RW_RED_ZONE && rw_proc_syscall(look->image->pid, target->tid, &again) == 0 &&
        again.number == target->call.number && again.stack_pointer == target->call.stack_pointer &&
        again.pc == target->call.pc)
        is_whole = take(look, target, &stack, "memory");
    talloc_free(bytes);
    return is_whole;
}

/* Of a thread that was not stopped. */
static bool from_its_wait(struct rw_look *look, struct rw_target *target)
{
    return (target->has_slot && target->slot.state == RW_THREAD_WAITING &&
            from_capture(look, target, RW_CAPTURE_WAIT, "recording")) ||
           from_memory(look, target);
}

static void from_spared(struct rw_look *look, struct rw_target *target)
{
    from_its_wait(look, target);
    note(look, rw_process_find_thread(look->process, target->tid),
         target->has_stack ? "it was not stopped, which would %s"
                           : "it was not stopped, which would %s; and it went on meanwhile",
         target->spared);
}

/* Why there is no copy of a thread that should have been stopped, for people. */
static void note_refusal(struct rw_look *look, struct rw_target *target)
{
    struct rw_thread *thread = rw_process_find_thread(look->process, target->tid);
    char comm[RW_COMM_MAX];

    switch (target->copy.error) {
    case -ESRCH:
        note(look, thread, "it ended while it was looked at");
        break;
    case -ETIMEDOUT:
        note(look, thread, "it did not stop in time (state %c): it is inside the kernel",
             target->times.state);
        break;
    case -ENOTSUP:
        note(look, thread, "it runs 32-bit code, which is not supported");
        break;
    case -EPERM:
        if (look->tracer_pid == 0)
            note(look, thread, "tracing it was refused");
        else
            note(look, thread, "%s (process %d) traces it already",
                 rw_proc_comm(look->tracer_pid, comm) == 0 ? comm : "another program", look->tracer_pid);
        break;
    default:
        note(look, thread, "it could not be stopped: %s", strerror(-target->copy.error));
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
        struct rw_thread *thread = rw_process_find_thread(look->process, open[i]->tid);
        if (asked[at].tid != open[i]->tid)
            continue;
        if (asked[at].is_answered) {
            from_capture(look, open[i], RW_CAPTURE_HANDLER, "handler");
            note(look, thread,
                 "taken by a signal handler: a call such as epoll_wait, poll or sleep may have seen EINTR");
        } else
            note(look, thread, "%s", asked[at].why_not);
        at++;
    }
}

void rw_stacks_fill(struct rw_look *look)
{
    struct rw_target **open = talloc_array(look->scratch, struct rw_target *, look->count + 1);
    size_t open_count = 0;

    for (size_t i = 0; open && i < look->count; i++) {
        struct rw_target *target = look->targets[i];
        struct rw_thread *thread = rw_process_find_thread(look->process, target->tid);
        thread->stack_source = "none";
        if (!target->has_copy) {
            if (rw_target_is_gone(target))
                note(look, thread, "it has ended (pthread_exit), and the process lives on");
            else if (target->spared)
                from_spared(look, target);
            continue;
        }
        thread->stopped_us = target->copy.stopped_us;
        if (target->copy.error == 0) {
            from_copy(look, target);
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
