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
#include "tools/cpython/loops.h"
#include "tools/cpython/thread_order.h"

#include <stdlib.h>

#include <talloc.h>

/* Where the stacks of the process's living threads end. */
struct tops {
    struct rw_py_thread_at *at; /* in order; two of the main thread */
    size_t count;
    bool *is_guess; /* by the thread's position: the stack was cut, and may reach higher */
    bool is_any_missing;
};

static void add_top(struct tops *tops, uint64_t address, size_t position)
{
    if (address)
        tops->at[tops->count++] = (struct rw_py_thread_at){address, position};
}

static uint64_t end_of_main_stack(const struct rw_python *py)
{
    for (size_t i = 0; i < py->maps->count; i++)
        if (py->maps->items[i].path && !strcmp(py->maps->items[i].path, "[stack]"))
            return py->maps->items[i].end;
    return 0;
}

/* Each thread's pthread_t, by its position; 0 where neither a thread state nor the recording knows it. */
static uint64_t *pthreads_of(const struct rw_python *py)
{
    uint64_t *pthreads = talloc_zero_array(py->scratch, uint64_t, py->process->thread_count + 1);
    if (!pthreads)
        abort();
    for (size_t i = 0; i < py->process->thread_count; i++)
        pthreads[i] = py->process->threads[i].pthread;
    for (size_t i = 0; i < py->state_count; i++) {
        const struct rw_thread *maker = rw_process_find_thread(py->process, py->states[i].maker_tid);
        if (maker)
            pthreads[maker - py->process->threads] = py->states[i].thread_id;
    }
    return pthreads;
}

/* glibc's struct pthread lies on top of the stack that glibc made for the thread. The main thread's stack has
 * a mapping of its own, unless another thread forked this process: then it is as any other's. Of a foreign
 * thread's stack the outermost frame tells, if all of it was had. */
static struct tops stack_tops(const struct rw_python *py)
{
    size_t count = py->process->thread_count;
    struct tops tops = {.at = talloc_array(py->scratch, struct rw_py_thread_at, count + 2),
                        .is_guess = talloc_zero_array(py->scratch, bool, count + 1)};
    const uint64_t *pthreads = pthreads_of(py);
    if (!tops.at || !tops.is_guess)
        abort();
    for (size_t i = 0; i < count; i++) {
        const struct rw_thread *thread = &py->process->threads[i];
        uint64_t top = pthreads[i];
        if (!thread->is_alive)
            continue;
        if (!top && thread->native_count) {
            top = thread->native[thread->native_count - 1].cfa;
            tops.is_guess[i] = thread->stack_note;
        }
        add_top(&tops, top, i);
        if (thread->is_main)
            add_top(&tops, end_of_main_stack(py), i);
        else
            tops.is_any_missing |= !top;
    }
    rw_py_order_threads(tops.at, tops.count);
    return tops;
}

/* Stacks grow down from their tops: the one right above the address, in the same mapping, is whose stack this
 * is. (The innermost frame is no bound: a loop's local variables lie below its canonical address.) Unless
 * there is one in between whose top is not known: newer glibcs have no mapping between two stacks. */
static bool place_by_anchor(struct rw_python *py, const struct tops *tops, struct rw_py_state *state)
{
    uint64_t anchor = state->frames[0].anchor;
    const struct rw_mapping *mapping = rw_maps_find(py->maps, anchor);
    size_t above = rw_py_thread_from(tops->at, tops->count, anchor + 1);
    if (!mapping || above == tops->count || rw_maps_find(py->maps, tops->at[above].address - 1) != mapping)
        return false;
    int tid = py->process->threads[tops->at[above].position].tid;
    bool may_be_below = above && tops->is_guess[tops->at[above - 1].position] &&
                        rw_maps_find(py->maps, tops->at[above - 1].address - 1) == mapping;
    if (tid != state->tid && (may_be_below || tops->is_any_missing))
        return false;
    state->tid = tid;
    return true;
}

static size_t count_loops(struct rw_python *py, const struct rw_thread *thread)
{
    struct rw_py_loops loops = rw_py_find_loops(py, thread);
    size_t count = loops.count;
    rw_py_loops_free(&loops);
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

static bool runs_on(struct rw_python *py, const struct rw_py_state *state, const struct rw_thread *thread)
{
    struct rw_py_loops loops = rw_py_find_loops(py, thread);
    bool found = false;
    if (rw_py_loops_read(py, thread, &loops))
        for (size_t first = 0; !found && first + state->frame_count <= loops.count; first++)
            found = rw_py_loops_keep(&loops, first, state->frames, state->frame_count);
    rw_py_loops_free(&loops);
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

static bool place_by_loops(struct rw_python *py, struct rw_py_state *state)
{
    const struct rw_thread *own = rw_process_find_thread(py->process, state->tid), *fits = NULL;
    if (!own || !own->native_count)
        return false;
    if (count_loops(py, own) == count_frames(py, own->tid))
        return true;
    for (size_t i = 0; i < py->process->thread_count; i++) {
        const struct rw_thread *thread = &py->process->threads[i];
        if (thread == own || !thread->native_count ||
            count_loops(py, thread) != count_frames(py, thread->tid) + state->frame_count)
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
    struct tops tops = stack_tops(py);
    size_t lost = 0;
    if (!is_placed)
        abort();
    for (size_t i = 0; i < py->state_count; i++)
        if (py->states[i].frame_count && py->states[i].frames[0].anchor)
            is_placed[i] = place_by_anchor(py, &tops, &py->states[i]);
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
