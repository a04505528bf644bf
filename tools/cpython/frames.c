/* SPDX-License-Identifier: MIT */
/*
 * Walking Python frames.
 *
 * Up to 3.10 every call is an evaluation loop of its own, and a frame object. From 3.11 one loop runs a chain of
 * interpreter frames, whose outermost one is the entry. 3.11 marks it; later a frame on the native stack of the
 * loop, that has no code, lies behind it. The cframes of 3.10 and 3.11 and that frame are local variables of the loop:
 * their address is what ties the chain to a native frame (anchor).
 *
 * A running thread changes its frames as we read. The head of the list is looked at again after the walk; if it moved,
 * a second walk tells which frames stayed: those are right, the others are marked as torn.
 */
#include "tools/cpython/python.h"

#include <errno.h>
#include <stdlib.h>

#include <talloc.h>

#include "tools/cpython/code.h"

#define OWNED_BY_LOOP 3 /* and higher: no Python frame */
#define ATTEMPTS 3

struct walk {
    struct rw_python *py;
    struct rw_py_frame *frames;
    size_t count, room;
    size_t chain; /* first frame whose loop's end was not met yet */
    int64_t interpreter_id;
};

static void append(struct walk *w, const struct rw_py_frame *frame)
{
    if (w->count == w->room) {
        w->room = w->room ? w->room * 2 : 32;
        w->frames = talloc_realloc(w->py->scratch, w->frames, struct rw_py_frame, w->room);
        if (!w->frames)
            abort();
    }
    w->frames[w->count++] = *frame;
}

/* The frames since the last such call make one loop's chain. */
static void end_chain(struct walk *w, uint64_t anchor)
{
    for (size_t i = w->chain; i < w->count; i++)
        w->frames[i].anchor = anchor;
    if (w->count > w->chain)
        w->frames[w->count - 1].is_entry = true;
    w->chain = w->count;
}

/* 3.8 to 3.10. f_lasti counts bytes, in 3.10 instructions of 2 bytes. */
static int walk_objects(struct walk *w, uint64_t address, uint64_t cframe)
{
    const struct rw_layout *l = &w->py->layout;
    uint8_t raw[256];
    while (address && w->count < RW_PY_FRAMES_MAX) {
        if (rw_py_read(w->py, address, raw, l->frame.size))
            return -EAGAIN;
        struct rw_py_frame frame = {
            .address = address,
            .previous = rw_py_field(raw, l->frame.previous),
            .code = rw_py_field(raw, l->frame.code),
            .globals = rw_py_field(raw, l->frame.globals),
            .interpreter_id = w->interpreter_id,
            .at = (int32_t)rw_py_field32(raw, l->frame.instruction),
        };
        if (l->minor >= 10 && frame.at > 0)
            frame.at *= 2;
        append(w, &frame);
        end_chain(w, cframe);
        cframe = cframe ? rw_py_word(w->py, cframe + l->cframe.previous) : 0;
        address = frame.previous;
    }
    return 0;
}

/* Where the thread's copy of the instructions begins: free-threaded builds have one for each thread that specialised
 * them, in an array behind its size. */
static uint64_t first_instruction(struct rw_python *py, const struct rw_py_code *code, const uint8_t *raw)
{
    if (py->layout.frame.tlbc_index == RW_NO_FIELD || !code->tlbc)
        return code->instructions;
    uint64_t index = rw_py_field32(raw, py->layout.frame.tlbc_index);
    if (index == 0 || index >= rw_py_word(py, code->tlbc))
        return code->instructions;
    uint64_t copy = rw_py_word(py, code->tlbc + 8 + index * 8);
    return copy ? copy : code->instructions;
}

static int32_t offset_of(struct rw_python *py, const struct rw_py_frame *frame, const uint8_t *raw)
{
    const struct rw_py_code *code = rw_py_code_at(py, frame->code);
    int64_t at = (int64_t)(rw_py_field(raw, py->layout.frame.instruction) - first_instruction(py, code, raw));
    return at < -2 || at > INT32_MAX / 2 ? INT32_MIN : (int32_t)at;
}

/* From 3.11. `cframe`: 3.11's innermost one, which `address` was read from, else 0. */
static int walk_interpreter_frames(struct walk *w, uint64_t address, uint64_t cframe)
{
    struct rw_python *py = w->py;
    const struct rw_layout *l = &py->layout;
    bool has_marks = l->frame.is_entry != RW_NO_FIELD;
    uint8_t raw[256];
    size_t steps = 0;
    int result = 0;
    while (address && steps++ < RW_PY_FRAMES_MAX * 2 && w->count < RW_PY_FRAMES_MAX) {
        if (rw_py_read(py, address, raw, l->frame.size)) {
            result = -EAGAIN;
            break;
        }
        struct rw_py_frame frame = {
            .address = address,
            .previous = rw_py_field(raw, l->frame.previous),
            .code = rw_py_untag(py, rw_py_field(raw, l->frame.code)),
            .globals = rw_py_untag(py, rw_py_field(raw, l->frame.globals)),
            .interpreter_id = w->interpreter_id,
        };
        if (raw[l->frame.owner] >= OWNED_BY_LOOP) {
            end_chain(w, address);
        } else {
            frame.at = offset_of(py, &frame, raw);
            append(w, &frame);
            if (has_marks && raw[l->frame.is_entry]) {
                end_chain(w, cframe);
                cframe = cframe ? rw_py_word(py, cframe + l->cframe.previous) : 0;
                if (cframe && rw_py_word(py, cframe + l->cframe.frame) != frame.previous)
                    cframe = 0;
            }
        }
        address = frame.previous;
    }
    if (w->count > w->chain)
        end_chain(w, 0);
    return result;
}

/* The head of the list: what a thread changes with every call and return. */
static uint64_t read_head(struct rw_python *py, uint64_t state, uint64_t *cframe)
{
    uint64_t head = rw_py_word(py, state + py->layout.thread_state.frame);
    *cframe = 0;
    if (py->layout.thread_state.cframe != RW_NO_FIELD)
        *cframe = rw_py_word(py, state + py->layout.thread_state.cframe);
    if (py->layout.cframe.frame == RW_NO_FIELD || !head)
        return head;
    *cframe = head;
    return rw_py_word(py, head + py->layout.cframe.frame);
}

static int walk_once(struct rw_python *py, const struct rw_py_state *state, struct walk *w)
{
    uint64_t cframe, cframe_after;
    *w = (struct walk){.py = py, .interpreter_id = state->interpreter_id};
    uint64_t head = read_head(py, state->address, &cframe);
    int result = py->layout.minor <= 10 ? walk_objects(w, head, cframe) : walk_interpreter_frames(w, head, cframe);
    /* A frame without code is what a frame becomes that was freed. */
    for (size_t i = 0; i < w->count; i++)
        if (!rw_py_code_at(py, w->frames[i].code)->is_code) {
            w->count = i;
            result = -EAGAIN;
        }
    return read_head(py, state->address, &cframe_after) != head || cframe != cframe_after ? -EAGAIN : result;
}

static bool is_same(const struct rw_py_frame *a, const struct rw_py_frame *b)
{
    return a->address == b->address && a->code == b->code && a->at == b->at && a->previous == b->previous;
}

/* Frames that two walks agree on, from the outermost one inwards, were not torn. */
static void mark_torn(struct walk *w, const struct walk *before)
{
    size_t same = 0;
    while (same < w->count && same < before->count &&
           is_same(&w->frames[w->count - 1 - same], &before->frames[before->count - 1 - same]))
        same++;
    for (size_t i = 0; i + same < w->count; i++)
        w->frames[i].is_torn = true;
}

int rw_py_walk(struct rw_python *py, const struct rw_py_state *state, struct rw_py_frame **frames, size_t *count)
{
    struct walk before = {0}, w;
    int result = -EAGAIN;
    for (int attempt = 0; attempt < ATTEMPTS && result; attempt++) {
        talloc_free(before.frames);
        before = attempt ? w : (struct walk){0};
        result = walk_once(py, state, &w);
    }
    if (result)
        mark_torn(&w, &before);
    talloc_free(before.frames);
    *frames = w.frames;
    *count = w.count;
    return result;
}

static const char *kind_of(uint32_t flags)
{
    return flags & 0x200 ? "async generator" : flags & 0x180 ? "coroutine" : flags & 0x20 ? "generator" : NULL;
}

static void add_frames(struct rw_python *py, struct rw_thread *thread, struct rw_py_stack *stack,
                       const struct rw_py_frame *frames, size_t count)
{
    stack->frames = talloc_realloc(py->scratch, stack->frames, struct rw_py_frame, stack->count + count + 1);
    if (!stack->frames)
        abort();
    for (size_t i = 0; i < count; i++) {
        const struct rw_py_code *code = rw_py_code_at(py, frames[i].code);
        struct rw_python_frame shown = {
            .function = code->name,
            .file = code->file,
            .line = frames[i].at == INT32_MIN ? 0 : rw_py_code_line(py, code, frames[i].at),
            .address = frames[i].address,
            .native_index = -1,
            .interpreter = frames[i].interpreter_id,
            .is_entry = frames[i].is_entry,
            .is_torn = frames[i].is_torn,
            .kind = kind_of(code->flags),
        };
        rw_add_python_frame(py->incident, thread, &shown);
        stack->frames[stack->count++] = frames[i];
    }
}

/* A thread may have a state in each of several interpreters, one inside a call that the other made. The inner one lies
 * lower on the native stack; where that cannot be seen, the one that is attached, or of the younger interpreter. */
static bool is_inside(const struct rw_py_state *a, const struct rw_py_state *b)
{
    if (a->frames[0].anchor && b->frames[0].anchor)
        return a->frames[0].anchor < b->frames[0].anchor;
    if (a->is_attached != b->is_attached)
        return a->is_attached;
    return a->interpreter_id > b->interpreter_id;
}

static void fill_thread(struct rw_python *py, struct rw_thread *thread, struct rw_py_stack *stack)
{
    const struct rw_py_state **parts = talloc_array(py->scratch, const struct rw_py_state *, py->state_count + 1);
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
