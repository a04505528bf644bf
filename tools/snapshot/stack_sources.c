/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/stack_sources.h"

#include <stdarg.h>
#include <string.h>
#include <talloc.h>

#include "tools/incident/model.h"
#include "tools/recording/reader.h"
#include "tools/snapshot/asleep.h"

/* A copy of a wait that has a deadline may have served for equal waits before (shim/wait.c). */
#define CAPTURE_REUSED_NS UINT64_C(50000000)

static struct rw_thread *thread_of(const struct rw_look *look, const struct rw_target *target)
{
    return rw_process_find_thread(look->process, target->tid);
}

void rw_stack_note(struct rw_look *look, const struct rw_target *target, const char *format, ...)
{
    struct rw_thread *thread = thread_of(look, target);
    va_list arguments;

    va_start(arguments, format);
    char *text = talloc_vasprintf(look->incident, format, arguments);
    va_end(arguments);
    thread->stack_note =
        thread->stack_note ? talloc_asprintf(look->incident, "%s; %s", thread->stack_note, text) : text;
}

void rw_stack_forget(struct rw_look *look, struct rw_target *target)
{
    struct rw_thread *thread = thread_of(look, target);

    talloc_free(thread->native);
    thread->native = NULL;
    thread->native_count = 0;
    thread->stack_source = "none";
    thread->stack_note = NULL;
    target->has_stack = false;
}

/* Frames, `native` and their number, that are whole if `why` is NULL, for the thread to have. */
struct frames {
    struct rw_frame *native;
    size_t count;
    const char *why;
};

static bool unwind(struct rw_look *look, const struct rw_stack *stack, struct frames *frames)
{
    return rw_unwind(look->image, stack, look->incident, &frames->native, &frames->count, &frames->why) ==
               0 &&
           frames->count > 0;
}

static bool give(struct rw_look *look, struct rw_target *target, const struct frames *frames,
                 const char *source)
{
    struct rw_thread *thread = thread_of(look, target);

    /* A longer incomplete list may be there already. */
    if (target->has_stack && thread->native_count >= frames->count) {
        talloc_free(frames->native);
        return false;
    }
    talloc_free(thread->native);
    thread->native = frames->native;
    thread->native_count = frames->count;
    thread->stack_source = source;
    thread->stack_note = frames->why;
    target->has_stack = true;
    return frames->why == NULL;
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
bool rw_frames_from_copy(struct rw_look *look, struct rw_target *target)
{
    const struct rw_copy *copy = &target->copy;
    struct rw_stack stack = copy->stack;
    uint64_t before, after;
    struct frames frames;

    stack.is_still = stack.address + stack.length < copy->stack_end && is_back(look, target, &before);
    bool is_whole = unwind(look, &stack, &frames) && give(look, target, &frames, "ptrace");
    if (!stack.is_still || (is_back(look, target, &after) && after == before))
        return is_whole;
    rw_stack_note(
        look, target,
        "its stack is longer than the copy, and the outer frames were read while the thread ran on");
    return false;
}

bool rw_frames_from_capture(struct rw_look *look, struct rw_target *target, enum rw_capture_by by)
{
    uint8_t *bytes = talloc_size(look->scratch, RW_STACK_MAX);
    struct rw_capture capture;
    struct rw_stack stack;
    struct frames frames;
    bool is_whole = false;

    if (!bytes)
        return false;
    if (rw_reader_capture(look->reader, target->slot_index, &capture, bytes) == 0 &&
        capture.by == (uint32_t)by &&
        (by == RW_CAPTURE_HANDLER || (capture.time_ns <= target->slot.since_ns &&
                                      target->slot.since_ns - capture.time_ns <= CAPTURE_REUSED_NS))) {
        rw_stack_from_capture(&capture, bytes, &stack);
        is_whole = unwind(look, &stack, &frames) &&
                   give(look, target, &frames, by == RW_CAPTURE_HANDLER ? "handler" : "recording");
    }
    talloc_free(bytes);
    return is_whole;
}

/* Whether some frame lies outside of the bytes that were read: it is longer, or a handler has its own stack.
 */
static bool is_beyond(const struct rw_stack *stack, const struct frames *frames)
{
    for (size_t i = 0; i < frames->count; i++)
        if (frames->native[i].cfa - stack->address > stack->length)
            return true;
    return false;
}

/* Where the frame before that of a function, and the calls inlined in it, ends: the stack pointer of the
 * function. 0 of the innermost one, which is not known. */
static uint64_t frame_end(const struct frames *frames, size_t at)
{
    while (at > 0 && frames->native[at - 1].is_inlined)
        at--;
    return at > 0 ? frames->native[at - 1].cfa : 0;
}

/* Whether they are the same call of a function: `last` at the stack pointer that its cfa is, for want of
 * better, and `frame`, with the stack pointer `low`. The shim's wrapper makes another call by now than it
 * made as it copied, so its pc is another one, and its stack pointer may be; whoever called it stands where
 * it stood. */
static bool is_same(const struct rw_frame *last, const struct rw_frame *frame, uint64_t low)
{
    if (!frame->is_shim)
        return frame->pc == last->pc && low == last->cfa;
    return last->is_shim && last->function && frame->function && low <= last->cfa && last->cfa < frame->cfa &&
           frame->pc - frame->offset == last->pc - last->offset;
}

/* A walk that began without most registers has ended at a function that it could not step over. The thread
 * copied them as it began this wait, and the walk from there passes the same call: from it on its frames are
 * those of the thread. Of the wait itself it knows nothing. */
static void join(struct rw_look *look, struct frames *inner, const struct frames *outer)
{
    struct rw_frame *last = &inner->native[inner->count - 1];
    size_t at = 1;

    while (at < outer->count &&
           (outer->native[at].is_inlined || !is_same(last, &outer->native[at], frame_end(outer, at))))
        at++;
    if (at >= outer->count)
        return;
    size_t more = outer->count - at - 1;
    for (size_t i = inner->count; i > 0 && (i == inner->count || inner->native[i - 1].is_inlined); i--)
        inner->native[i - 1].cfa = outer->native[at].cfa;
    struct rw_frame *joined =
        talloc_realloc(look->incident, inner->native, struct rw_frame, inner->count + more);
    if (!joined)
        return;
    memcpy(joined + inner->count, outer->native + at + 1, more * sizeof *joined);
    *inner = (struct frames){joined, inner->count + more, outer->why};
}

/* That it is the copy of this very wait: a wait with a deadline may do with one of an equal wait before. */
static void complete_by_recording(struct rw_look *look, const struct rw_target *target, struct frames *frames)
{
    struct rw_capture capture;
    struct rw_stack stack;
    struct frames outer;

    if (!target->has_slot || target->slot.state != RW_THREAD_WAITING)
        return;
    uint8_t *bytes = talloc_size(look->scratch, RW_STACK_MAX);
    if (bytes && rw_reader_capture(look->reader, target->slot_index, &capture, bytes) == 0 &&
        capture.by == RW_CAPTURE_WAIT && capture.time_ns == target->slot.since_ns) {
        rw_stack_from_capture(&capture, bytes, &stack);
        stack.is_still = true;
        if (unwind(look, &stack, &outer) && rw_asleep_still(look, target)) {
            join(look, frames, &outer);
            talloc_free(outer.native);
        }
    }
    talloc_free(bytes);
}

bool rw_frames_from_memory(struct rw_look *look, struct rw_target *target)
{
    struct frames frames;

    if (!target->lying.bytes && !rw_asleep_read(look, target))
        return false;
    target->lying.is_still = true;
    if (!unwind(look, &target->lying, &frames))
        return false;
    if (frames.why)
        complete_by_recording(look, target, &frames);
    bool was_still = !is_beyond(&target->lying, &frames) || rw_asleep_still(look, target);
    return give(look, target, &frames, "memory") && was_still;
}
