/* SPDX-License-Identifier: MIT */
/*
 * Which OS thread a thread state is on. Its own thread_id says which thread made it, and up to 3.12 another thread may run
 * it: a subinterpreter's first state belongs to whoever created the interpreter, and runs on whichever thread enters it
 * (_xxsubinterpreters.run_string). The evaluation loops tell: an anchor lies on the stack of the thread that runs. Where a
 * version has no anchors (3.8, 3.9), the number of loops on each native stack tells, if it leaves one answer.
 */
#include "tools/cpython/python.h"

#include <talloc.h>

/* Stacks grow down from a thread's outermost frame: the one right above the address, in the same mapping, is whose stack
 * this is. (The innermost frame is no bound: a loop's local variables lie below its canonical address.) */
static void place_by_anchor(struct rw_python *py, struct rw_py_state *state)
{
    uint64_t anchor = state->frames[0].anchor, nearest = UINT64_MAX;
    const struct rw_mapping *mapping = rw_maps_find(py->maps, anchor);
    for (size_t i = 0; mapping && i < py->process->thread_count; i++) {
        const struct rw_thread *thread = &py->process->threads[i];
        uint64_t top = thread->native_count ? thread->native[thread->native_count - 1].cfa : 0;
        if (top > anchor && top < nearest && rw_maps_find(py->maps, top - 1) == mapping) {
            nearest = top;
            state->tid = thread->tid;
        }
    }
}

static size_t count_loops(const struct rw_thread *thread)
{
    size_t count = 0;
    for (size_t i = 0; i < thread->native_count; i++)
        count += thread->native[i].is_python_eval && !thread->native[i].is_inlined;
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

static void place_by_loops(struct rw_python *py, struct rw_py_state *state)
{
    const struct rw_thread *own = rw_process_find_thread(py->process, state->tid), *fits = NULL;
    if (!own || count_loops(own) == count_frames(py, own->tid))
        return;
    for (size_t i = 0; i < py->process->thread_count; i++) {
        const struct rw_thread *thread = &py->process->threads[i];
        if (thread == own || !thread->native_count ||
            count_loops(thread) != count_frames(py, thread->tid) + state->frame_count)
            continue;
        if (fits)
            return;
        fits = thread;
    }
    if (fits)
        state->tid = fits->tid;
}

void rw_py_place_states(struct rw_python *py)
{
    for (size_t i = 0; i < py->state_count; i++) {
        struct rw_py_state *state = &py->states[i];
        if (state->frame_count && state->frames[0].anchor)
            place_by_anchor(py, state);
    }
    for (size_t i = 0; i < py->state_count; i++)
        if (py->states[i].frame_count && !py->states[i].frames[0].anchor && py->states[i].interpreter_id != 0)
            place_by_loops(py, &py->states[i]);
}
