/* SPDX-License-Identifier: MIT */
/*
 * Each thread's Python frames, and which of them to believe.
 *
 * A running thread changes its frames while they are read, and what it leaves may be freed and used again. So
 * all stacks are walked, then their code objects read, then all stacks walked once more: a frame that both
 * walks saw was there all the time between them, and so was its code. Where the walks differ, that stack is
 * tried again by itself; what still differs then is marked as torn. The innermost frame that both saw may go
 * on to its next instruction in between.
 */
#include "tools/cpython/python.h"

#include <stdlib.h>

#include <talloc.h>

#include "tools/cpython/code.h"
#include "tools/cpython/walk.h"

#define ATTEMPTS 3
#define LOOKS_AT_END 8
#define GENERATORS 0x2a0u /* CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR */

/* --- Two walks. */

struct walked {
    struct rw_py_frame *frames;
    size_t count;
    bool is_cut, ran;
};

static void walk(struct rw_python *py, const struct rw_py_state *state, bool with_slots,
                 struct walked *walked)
{
    bool *ran = py->layout.minor <= 10 ? &walked->ran : NULL; /* two more reads, which nobody else asks for */

    walked->ran = false;
    walked->is_cut = rw_py_walk(py, state, with_slots, &walked->frames, &walked->count, ran) != 0;
}

static void load_codes(struct rw_python *py, struct walked *walked)
{
    for (size_t i = 0; i < walked->count; i++)
        walked->frames[i].code = rw_py_code_at(py, walked->frames[i].code_address);
}

static bool is_same(const struct rw_py_frame *a, const struct rw_py_frame *b)
{
    return a->address == b->address && a->code_address == b->code_address && a->previous == b->previous &&
           a->anchor == b->anchor;
}

/* How many frames, from the outermost one inwards, both saw. */
static size_t count_same(const struct walked *first, const struct walked *second)
{
    size_t same = 0;
    while (same < first->count && same < second->count) {
        const struct rw_py_frame *a = &first->frames[first->count - 1 - same];
        const struct rw_py_frame *b = &second->frames[second->count - 1 - same];
        if (!is_same(a, b))
            break;
        same++;
        if (a->instruction != b->instruction)
            break;
    }
    return same;
}

/* Generators, which lists are cut off at most, are hardly ever what a thread begins with. */
static bool has_odd_end(struct rw_python *py, const struct rw_py_state *state, const struct walked *walked)
{
    const struct rw_thread *thread = rw_process_find_thread(py->process, state->tid);
    uint64_t code = walked->count ? walked->frames[walked->count - 1].code_address : 0;
    return walked->ran || !thread || thread->os_state == 'R' || rw_py_code_at(py, code)->flags & GENERATORS;
}

/* Most looks do end where the list does: the places where one may be cut are many. */
static bool is_last(struct rw_python *py, const struct rw_py_state *state, const struct walked *walked)
{
    uint64_t last = walked->count ? walked->frames[walked->count - 1].address : 0;
    int agree = 0;
    bool is_inside = false;
    for (int looks = 0; looks < LOOKS_AT_END && !is_inside; looks++) {
        struct walked again;
        walk(py, state, false, &again);
        agree += (again.count ? again.frames[again.count - 1].address : 0) == last;
        for (size_t i = 0; i + 1 < again.count; i++)
            is_inside |= again.frames[i].address == last;
        talloc_free(again.frames);
    }
    return !is_inside && agree > LOOKS_AT_END / 2;
}

/* Hidden frames lie between a caller and what it called in one loop: they are never the entry. */
static size_t without_hidden(struct rw_py_frame *frames, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!frames[i].code->is_hidden)
            frames[kept++] = frames[i];
    return kept;
}

/* The second walk's frames, with what was learned of their code between the two; true if all is to be
 * believed. */
static bool accept(struct rw_python *py, struct rw_py_state *state, const struct walked *first,
                   struct walked *second)
{
    bool is_whole = !first->is_cut && !second->is_cut;
    if (is_whole && py->layout.minor <= 10 &&
        (has_odd_end(py, state, first) || has_odd_end(py, state, second)))
        is_whole = is_last(py, state, second);
    size_t same = is_whole ? count_same(first, second) : 0, skip = 0, not_begun = 0;
    for (size_t i = 0; i < second->count; i++) {
        struct rw_py_frame *frame = &second->frames[i];
        frame->is_torn = i + same < second->count;
        frame->code = rw_py_code_at(py, frame->code_address);
        frame->at = rw_py_instruction_offset(py, frame);
        if (i > 0 && frame->at < 0 && frame->at != INT32_MIN) /* who has not begun has called nobody */
            not_begun = i + 1;
        if (!frame->code->is_code) /* what a frame becomes that was freed: neither it nor what it called can
                                      be told */
            skip = i + 1;
    }
    for (size_t i = 0; i < not_begun; i++)
        second->frames[i].is_torn = true;
    state->frames = second->count > 0 ? second->frames + skip : NULL;
    state->frame_count = without_hidden(state->frames, second->count - skip);
    return is_whole && !skip && !not_begun && same == second->count;
}

static void walk_alone(struct rw_python *py, struct rw_py_state *state)
{
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        struct walked first, second;
        rw_py_forget(py);
        walk(py, state, false, &first);
        load_codes(py, &first);
        walk(py, state, true, &second);
        if (accept(py, state, &first, &second))
            return;
    }
}

/* Its thread has ended, and what was read in its place may be the next one's. */
static void bury(struct rw_python *py, struct rw_py_state *state)
{
    state->tid = state->maker_tid = -1;
    state->frame_count = 0;
    py->is_incomplete = true;
}

void rw_py_read_stacks(struct rw_python *py)
{
    struct walked *first = talloc_array(py->scratch, struct walked, py->state_count + 1), second;
    if (!first)
        abort();
    for (size_t i = 0; i < py->state_count; i++)
        walk(py, &py->states[i], false, &first[i]);
    rw_py_forget(py);
    for (size_t i = 0; i < py->state_count; i++)
        load_codes(py, &first[i]);
    for (size_t i = 0; i < py->state_count; i++) {
        walk(py, &py->states[i], true, &second);
        py->states[i].is_changing = !accept(py, &py->states[i], &first[i], &second);
        talloc_free(first[i].frames);
    }
    talloc_free(first);
    for (size_t i = 0; i < py->state_count; i++)
        if (py->states[i].is_changing)
            walk_alone(py, &py->states[i]);
    for (size_t i = 0; i < py->state_count; i++)
        if (!rw_py_is_still_there(py, &py->states[i]))
            bury(py, &py->states[i]);
    rw_py_forget(py);
}

/* --- Into the incident. */

static const char *kind_of(uint32_t flags)
{
    return flags & 0x200   ? "async generator"
           : flags & 0x180 ? "coroutine"
           : flags & 0x20  ? "generator"
                           : NULL;
}

struct rw_python_frame rw_py_describe_frame(struct rw_python *py, const struct rw_py_frame *frame)
{
    return (struct rw_python_frame){
        .function = frame->code->name,
        .file = frame->code->file,
        .line = frame->at == INT32_MIN ? 0 : rw_py_code_line(py, frame->code, frame->at),
        .address = frame->address,
        .native_index = -1,
        .interpreter = frame->interpreter_id,
        .is_entry = frame->is_entry,
        .is_torn = frame->is_torn,
        .kind = kind_of(frame->code->flags),
    };
}

static void add_frames(struct rw_python *py, struct rw_thread *thread, struct rw_py_stack *stack,
                       const struct rw_py_frame *frames, size_t count)
{
    stack->frames = talloc_realloc(py->scratch, stack->frames, struct rw_py_frame, stack->count + count + 1);
    if (!stack->frames)
        abort();
    for (size_t i = 0; i < count; i++) {
        struct rw_python_frame shown = rw_py_describe_frame(py, &frames[i]);
        rw_add_python_frame(py->incident, thread, &shown);
        stack->frames[stack->count++] = frames[i];
    }
}

/* A thread may have a state in each of several interpreters, one inside a call that the other made. The inner
 * one lies lower on the native stack; where that cannot be seen, the one that is attached, or of the younger
 * interpreter. */
static bool is_inside(const struct rw_py_state *a, const struct rw_py_state *b)
{
    if (a->frames[0].anchor && b->frames[0].anchor)
        return a->frames[0].anchor < b->frames[0].anchor;
    if (a->is_attached != b->is_attached)
        return a->is_attached;
    return a->interpreter_id > b->interpreter_id;
}

/* What was called in a frame that moved meanwhile moved as well, whatever it looked like. */
static void tear_inside(const struct rw_py_state *const *parts, size_t count)
{
    bool is_torn = false;
    for (size_t i = count; i-- > 0;)
        for (size_t f = parts[i]->frame_count; f-- > 0;)
            parts[i]->frames[f].is_torn = is_torn = is_torn || parts[i]->frames[f].is_torn;
}

static void fill_thread(struct rw_python *py, struct rw_thread *thread, struct rw_py_stack *stack)
{
    const struct rw_py_state **parts =
        talloc_array(py->scratch, const struct rw_py_state *, py->state_count + 1);
    size_t count = 0;
    if (!parts)
        abort();
    for (size_t i = 0; i < py->state_count; i++) {
        const struct rw_py_state *state = &py->states[i];
        if (thread->tid <= 0 || state->tid != thread->tid || !state->frame_count)
            continue;
        size_t at = count++;
        for (; at > 0 && is_inside(state, parts[at - 1]); at--)
            parts[at] = parts[at - 1];
        parts[at] = state;
    }
    tear_inside(parts, count);
    for (size_t i = 0; i < count; i++)
        add_frames(py, thread, stack, parts[i]->frames, parts[i]->frame_count);
    talloc_free(parts);
}

void rw_py_fill_frames(struct rw_python *py)
{
    py->stack_count = py->process->thread_count;
    py->stacks = talloc_zero_array(py->scratch, struct rw_py_stack, py->stack_count + 1);
    if (!py->stacks)
        abort();
    for (size_t i = 0; i < py->stack_count; i++) {
        py->stacks[i].tid = py->process->threads[i].tid;
        fill_thread(py, &py->process->threads[i], &py->stacks[i]);
    }
}
