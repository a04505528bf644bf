/* SPDX-License-Identifier: MIT */
/*
 * A suspended coroutine keeps its frame, and on top of its value stack what it awaits: another coroutine,
 * something that wraps one, or at the end a future or whatever the event loop gives out. A generator may also
 * have a value there that it only iterates over; so of a generator, its instruction or its state must say
 * `yield from`.
 *
 * Up to 3.10 a generator points to a frame object. From 3.11 it ends with the frame itself. Where the value
 * stack ends is a pointer (3.8, 3.9 and from 3.14) or a number of slots (3.10, counted without the
 * locals; 3.11 to 3.13, with them); from 3.15 a second slot lies above what is awaited.
 */
#include "tools/cpython/coroutines.h"

#include <stdlib.h>

#include <talloc.h>

#include "tools/cpython/code.h"
#include "tools/cpython/object.h"
#include "tools/cpython/slots.h"

#define ANY 127

/* enum _framestate (Include/internal/pycore_frame.h) by the first version that has it so. Up to 3.10 there is
 * none. */
static const struct {
    unsigned minor;
    int8_t created, suspended, yields_from, executing, cleared;
} frame_states[] = {
    {15, 0, 1, 2, 4, 5},
    {13, -3, -2, -1, 0, 1},
    {11, -2, -1, ANY, 0, 1},
};

/* What lies on the value stack in place of the coroutine that it leads to, in its first field. */
static const char *const wrappers[] = {"coroutine_wrapper", "async_generator_asend", "async_generator_athrow",
                                       "anext_awaitable"};

/* What stands for a future that is awaited, and has it in its first field. */
static const char *const future_iterators[] = {"_asyncio.FutureIter"};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static bool is_one_of(struct rw_python *py, uint64_t object, const char *const *names, size_t count)
{
    const struct rw_py_type *type = rw_py_type_of(py, object);
    for (size_t i = 0; type && i < count; i++)
        if (!strcmp(type->name, names[i]))
            return true;
    return false;
}

bool rw_py_is_coroutine(struct rw_python *py, uint64_t object)
{
    static const char *const names[] = {"coroutine", "generator", "async_generator"};
    return is_one_of(py, object, names, COUNT(names));
}

uint64_t rw_py_coroutine_frame(struct rw_python *py, uint64_t object)
{
    const struct rw_layout *l = &py->layout;
    if (l->minor <= 10)
        return rw_py_kept_word(py, object + l->generator.frame);
    return object + l->generator.frame;
}

static enum rw_py_progress progress_by_state(struct rw_python *py, uint64_t object, bool *yields_from)
{
    int8_t state;
    size_t i = 0;
    while (i < COUNT(frame_states) && frame_states[i].minor > py->layout.minor)
        i++;
    if (i == COUNT(frame_states) ||
        rw_py_read_kept(py, object + py->layout.generator.state, &state, sizeof state))
        return RW_PY_GONE;
    *yields_from = state == frame_states[i].yields_from;
    if (state >= frame_states[i].cleared)
        return RW_PY_GONE;
    if (state == frame_states[i].executing)
        return RW_PY_EXECUTING;
    return state == frame_states[i].created ? RW_PY_NEW : RW_PY_SUSPENDED;
}

/* Up to 3.12: what follows the instruction. Up to 3.10 that is YIELD_FROM, then a RESUME that says after
 * what. */
static bool is_followed_by_yield_from(struct rw_python *py, const struct rw_py_frame *frame)
{
    uint8_t next[2] = {0};
    struct rw_py_bytes bytecode;
    if (frame->at < 0)
        return false;
    if (py->layout.minor >= 11)
        return !rw_py_read_kept(py, frame->code->instructions + (uint64_t)frame->at + 2, next, 2) &&
               (next[0] == 151 || next[0] == 237) && next[1] >= 2; /* RESUME, INSTRUMENTED_RESUME */
    return rw_py_bytes(py, frame->code->bytecode, &bytecode) && (uint32_t)frame->at + 2 < bytecode.size &&
           bytecode.data[frame->at + 2] == 72; /* YIELD_FROM */
}

/* The object on top of the value stack; 0 where the frame executes, or the stack is empty. */
static uint64_t top_of_stack(struct rw_python *py, const struct rw_py_frame *frame, const uint8_t *raw)
{
    const struct rw_layout *l = &py->layout;
    uint64_t bottom = frame->address + l->frame.locals + (uint64_t)frame->code->local_count * 8, end;
    int32_t count = (int32_t)rw_py_field32(raw, l->frame.stack_top);
    if (l->minor <= 9 || l->minor >= 14)
        end = rw_py_field(raw, l->frame.stack_top);
    else if (l->minor == 10)
        end = bottom + (uint64_t)(count > 0 ? count : 0) * 8;
    else
        end = frame->address + l->frame.locals + (uint64_t)(count > 0 ? count : 0) * 8;
    if (l->minor >= 15)
        end -= 8;
    if (end <= bottom || end > bottom + (uint64_t)frame->code->stack_size * 8)
        return 0;
    return rw_py_untag(py, rw_py_kept_word(py, end - 8));
}

static bool copy_kept(void *py, uint64_t address, void *buffer, size_t size)
{
    return rw_py_read_kept(py, address, buffer, size) == 0;
}

/* One frame of the chain, and what it awaits. False where there is none: it has ended, or is none. */
static bool read_frame(struct rw_python *py, uint64_t object, struct rw_py_frame *frame,
                       enum rw_py_progress *progress, uint64_t *awaits)
{
    const struct rw_layout *l = &py->layout;
    uint8_t raw[256];
    bool yields_from = false;
    uint64_t address = rw_py_coroutine_frame(py, object);
    *awaits = 0;
    *progress = RW_PY_SUSPENDED;
    if (l->minor >= 11)
        *progress = progress_by_state(py, object, &yields_from);
    if (!address || *progress == RW_PY_GONE || rw_py_read_kept(py, address, raw, l->frame.size))
        return false;
    frame->address = address;
    frame->code_address = rw_py_untag(py, rw_py_field(raw, l->frame.code));
    frame->globals = rw_py_untag(py, rw_py_field(raw, l->frame.globals));
    frame->code = rw_py_code_at(py, frame->code_address);
    if (!frame->code->is_code || !(frame->code->flags & 0x3a0)) /* generators and coroutines of all kinds */
        return false;
    if (l->minor >= 11)
        frame->instruction = rw_py_field(raw, l->frame.instruction);
    else
        frame->instruction = rw_py_field32(raw, l->frame.instruction);
    if (l->frame.tlbc_index != RW_NO_FIELD)
        frame->tlbc_index = rw_py_field32(raw, l->frame.tlbc_index);
    frame->at = rw_py_instruction_offset(py, frame);
    if (l->minor <= 10 && frame->at < 0)
        *progress = RW_PY_NEW;
    if (*progress != RW_PY_SUSPENDED)
        return true;
    bool is_coroutine = rw_py_is(py, object, "coroutine");
    if (is_coroutine || yields_from || (l->minor <= 12 && is_followed_by_yield_from(py, frame)))
        *awaits = top_of_stack(py, frame, raw);
    return true;
}

struct rw_py_chain rw_py_await_chain(struct rw_python *py, uint64_t object, int64_t interpreter_id,
                                     bool with_slots)
{
    struct rw_py_chain chain = {0};
    size_t room = 0;
    while (chain.count < RW_PY_CHAIN_MAX && rw_py_is_coroutine(py, object)) {
        struct rw_py_frame frame = {.interpreter_id = interpreter_id};
        enum rw_py_progress progress;
        uint64_t awaits;
        if (!read_frame(py, object, &frame, &progress, &awaits))
            break;
        if (chain.count == room) {
            room = room ? room * 2 : 8;
            chain.frames = talloc_realloc(py->scratch, chain.frames, struct rw_py_frame, room);
            if (!chain.frames)
                abort();
        }
        if (!chain.count)
            chain.progress = progress;
        if (with_slots)
            rw_py_fill_slots(py, &frame, copy_kept, py);
        chain.frames[chain.count++] = frame;
        for (int depth = 0; depth < 3 && is_one_of(py, awaits, wrappers, COUNT(wrappers)); depth++)
            awaits = rw_py_kept_word(py, awaits + py->layout.object.size);
        chain.awaits = awaits;
        object = awaits;
    }
    if (rw_py_is_coroutine(py, chain.awaits)) /* it ended in between */
        chain.awaits = 0;
    if (is_one_of(py, chain.awaits, future_iterators, COUNT(future_iterators)))
        chain.awaits = rw_py_kept_word(py, chain.awaits + py->layout.object.size);
    return chain;
}
