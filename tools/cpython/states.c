/* SPDX-License-Identifier: MIT */
/*
 * Which OS thread a thread state is on. Its own thread_id says which thread made it, and up to 3.12 another
 * thread may run it: a subinterpreter's first state belongs to whoever created the interpreter, and runs on
 * whichever thread enters it
 * (_xxsubinterpreters.run_string). The evaluation loops tell: an anchor lies on the stack of the thread that
 * runs. Where a version has no anchors (3.8, 3.9), each loop still keeps its frame's address, in its native
 * frame or in a register that an inner function saved; where that leads to no single thread, the number of
 * loops on each native stack tells, if it leaves one answer. Where nothing tells, a state that may be another
 * thread's is nobody's.
 */
#include "tools/cpython/python.h"

#include <stdlib.h>

#include <talloc.h>

/* Above all frames of a thread: its outermost frame, or without native frames glibc's struct pthread, which
 * lies on top of the stack that glibc made for it; the main thread's stack has a mapping of its own. */
static uint64_t stack_top(const struct rw_python *py, const struct rw_thread *thread)
{
    uint64_t pthread = thread->pthread;
    if (thread->native_count)
        return thread->native[thread->native_count - 1].cfa;
    for (size_t i = 0; thread->is_main && i < py->maps->count; i++)
        if (py->maps->items[i].path && !strcmp(py->maps->items[i].path, "[stack]"))
            return py->maps->items[i].end;
    for (size_t i = 0; !pthread && i < py->state_count; i++)
        if (py->states[i].maker_tid == thread->tid)
            pthread = py->states[i].thread_id;
    return pthread;
}

/* Stacks grow down from a thread's outermost frame: the one right above the address, in the same mapping, is
 * whose stack this is. (The innermost frame is no bound: a loop's local variables lie below its canonical
 * address.) */
static bool place_by_anchor(struct rw_python *py, struct rw_py_state *state)
{
    uint64_t anchor = state->frames[0].anchor, nearest = UINT64_MAX;
    const struct rw_mapping *mapping = rw_maps_find(py->maps, anchor);
    for (size_t i = 0; mapping && i < py->process->thread_count; i++) {
        const struct rw_thread *thread = &py->process->threads[i];
        uint64_t top = stack_top(py, thread);
        if (top > anchor && top < nearest && rw_maps_find(py->maps, top - 1) == mapping) {
            nearest = top;
            state->tid = thread->tid;
        }
    }
    return nearest != UINT64_MAX;
}

static bool is_loop(const struct rw_frame *frame)
{
    return frame->is_python_eval && !frame->is_inlined;
}

static size_t count_loops(const struct rw_thread *thread)
{
    size_t count = 0;
    for (size_t i = 0; i < thread->native_count; i++)
        count += is_loop(&thread->native[i]);
    return count;
}

/* Up to 3.10 each frame has a loop of its own. */
static size_t count_frames(const struct rw_python *py, int tid)
{
    size_t count = 0;
    for (size_t i = 0; i < py->state_count; i++)
        if (py->states[i].tid == tid)
            count += py->states[i].frame_count;
    return count;
}

/* --- By the addresses of frames. */

#define BELOW 256u           /* bytes of the innermost native frame that may hold something saved */
#define STACK_MAX (1u << 20) /* bytes of a native stack that are searched */

/* Part of a native stack as it is now, and for each loop where in it what it keeps may lie: from `from[i]`,
 * where the next inner loop's native frame begins, up to its own canonical address. */
struct native_stack {
    uint64_t begin;
    uint64_t *words;
    size_t word_count;
    uint64_t *from, *to;
    size_t loop_count;
};

static bool read_native_stack(struct rw_python *py, const struct rw_thread *thread,
                              struct native_stack *stack)
{
    *stack = (struct native_stack){.loop_count = count_loops(thread)};
    if (!stack->loop_count)
        return false;
    stack->begin = (thread->native[0].cfa - BELOW) & ~UINT64_C(7);
    uint64_t end = stack->begin, inner = stack->begin, from = stack->begin;
    stack->from = talloc_array(py->scratch, uint64_t, stack->loop_count * 2);
    if (!stack->from)
        abort();
    stack->to = stack->from + stack->loop_count;
    for (size_t i = 0, loop = 0; i < thread->native_count; i++) {
        const struct rw_frame *frame = &thread->native[i];
        if (is_loop(frame)) {
            stack->from[loop] = from;
            stack->to[loop++] = end = frame->cfa;
            from = inner;
        }
        if (!frame->is_inlined)
            inner = frame->cfa;
    }
    if (end <= stack->begin || end - stack->begin > STACK_MAX)
        return false;
    stack->word_count = (end - stack->begin) / 8;
    stack->words = talloc_array(py->scratch, uint64_t, stack->word_count);
    if (!stack->words)
        abort();
    return !rw_py_read(py, stack->begin, stack->words, stack->word_count * 8);
}

static bool keeps(const struct native_stack *stack, size_t loop, uint64_t value)
{
    for (size_t i = (stack->from[loop] - stack->begin) / 8; i < (stack->to[loop] - stack->begin) / 8; i++)
        if (stack->words[i] == value)
            return true;
    return false;
}

/* Whether neighbouring loops of the thread keep the state's frames, one each, in their order. */
static bool runs_on(struct rw_python *py, const struct rw_py_state *state, const struct rw_thread *thread)
{
    struct native_stack stack;
    bool found = false;
    if (read_native_stack(py, thread, &stack))
        for (size_t first = 0; !found && first + state->frame_count <= stack.loop_count; first++) {
            found = true;
            for (size_t i = 0; found && i < state->frame_count; i++)
                found = keeps(&stack, first + i, state->frames[i].address);
        }
    talloc_free(stack.words);
    talloc_free(stack.from);
    return found;
}

static bool place_by_addresses(struct rw_python *py, struct rw_py_state *state)
{
    const struct rw_thread *found = NULL;
    for (size_t i = 0; i < py->process->thread_count; i++) {
        const struct rw_thread *thread = &py->process->threads[i];
        if (!runs_on(py, state, thread))
            continue;
        if (found)
            return false;
        found = thread;
    }
    if (found)
        state->tid = found->tid;
    return found;
}

/* --- By the number of loops. */

static bool place_by_loops(struct rw_python *py, struct rw_py_state *state)
{
    const struct rw_thread *own = rw_process_find_thread(py->process, state->tid), *fits = NULL;
    if (!own || !own->native_count)
        return false;
    if (count_loops(own) == count_frames(py, own->tid))
        return true;
    for (size_t i = 0; i < py->process->thread_count; i++) {
        const struct rw_thread *thread = &py->process->threads[i];
        if (thread == own || !thread->native_count ||
            count_loops(thread) != count_frames(py, thread->tid) + state->frame_count)
            continue;
        if (fits)
            return false;
        fits = thread;
    }
    if (fits)
        state->tid = fits->tid;
    return fits;
}

/* A subinterpreter's first state, the last of its list, up to 3.12. */
static bool may_be_elsewhere(const struct rw_python *py, size_t index)
{
    const struct rw_py_state *state = &py->states[index];
    return py->layout.minor <= 12 && state->interpreter_id != 0 &&
           (index + 1 == py->state_count || py->states[index + 1].interpreter != state->interpreter);
}

void rw_py_place_states(struct rw_python *py)
{
    bool *is_placed = talloc_zero_array(py->scratch, bool, py->state_count + 1);
    size_t lost = 0;
    if (!is_placed)
        abort();
    for (size_t i = 0; i < py->state_count; i++)
        if (py->states[i].frame_count && py->states[i].frames[0].anchor)
            is_placed[i] = place_by_anchor(py, &py->states[i]);
    for (size_t i = 0; i < py->state_count; i++)
        if (py->states[i].frame_count && !py->states[i].frames[0].anchor && may_be_elsewhere(py, i))
            is_placed[i] = place_by_addresses(py, &py->states[i]);
    for (size_t i = 0; i < py->state_count; i++)
        if (py->states[i].frame_count && !is_placed[i] && !py->states[i].frames[0].anchor &&
            may_be_elsewhere(py, i))
            is_placed[i] = place_by_loops(py, &py->states[i]);
    for (size_t i = 0; i < py->state_count; i++) {
        if (!py->states[i].frame_count || is_placed[i] || !may_be_elsewhere(py, i))
            continue;
        py->states[i].tid = -1;
        lost++;
    }
    if (lost)
        rw_process_note(py->incident, py->process,
                        "it could not be found out which thread runs in %s: the native stacks that would "
                        "tell are missing",
                        lost == 1 ? "a subinterpreter" : "some subinterpreters");
}
