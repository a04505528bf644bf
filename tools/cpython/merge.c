/* SPDX-License-Identifier: MIT */
/*
 * Which native frame runs which Python frames: each evaluation loop on the native stack runs one chain of
 * them.
 *
 * The native stack was copied first, the Python frames were read later, and a thread that runs may have gone
 * elsewhere in between: a wrong pairing would be worse than none, so each must be shown.
 *
 * A chain's anchor is a local variable of its loop: it lies at the same distance below the loop's canonical
 * frame address in every call. The distance is what most chains agree on; the native frame that has it is the
 * loop. That also finds loops without a name: where symbols are stripped, code that the compiler moved out of
 * the function has none. Without anchors (3.8, 3.9) each frame is a chain, and its loop keeps its address.
 *
 * Chains are paired from the outermost one inwards, up to the first that has no loop: what is inside of that
 * has moved.
 */
#include <stdlib.h>

#include <talloc.h>

#include "tools/cpython/loops.h"
#include "tools/cpython/walk.h"

#define DISTANCES 64u
#define STACK_MAX (64u << 20)
#define FRAME_MAX 4096u /* bytes of a loop's native frame: some hundreds, in debug builds more */

struct distance {
    uint64_t bytes;
    unsigned count;
};

static bool may_be_loop(const struct rw_python *py, const struct rw_frame *frame)
{
    const struct rw_mapping *mapping;
    if (frame->is_inlined)
        return false;
    if (frame->is_python_eval || frame->function)
        return frame->is_python_eval;
    mapping = rw_maps_find(py->maps, py->runtime);
    return mapping && mapping->path && frame->module && !strcmp(mapping->path, frame->module);
}

static void count_distance(struct distance *distances, uint64_t bytes)
{
    for (unsigned i = 0; i < DISTANCES; i++)
        if (!distances[i].count || distances[i].bytes == bytes) {
            distances[i].bytes = bytes;
            distances[i].count++;
            return;
        }
}

/* Both lists go from the innermost call outwards, to higher addresses. Of the innermost native frame only the
 * end is known: what lies far below it is a frame that it has called since. It is asked only where no other
 * frame tells. */
static void count_distances(const struct rw_python *py, const struct rw_thread *thread,
                            const struct rw_py_stack *stack, bool only_innermost, struct distance *distances)
{
    size_t chain = 0;
    uint64_t inner = 0;
    for (size_t i = 0; i < thread->native_count; i++) {
        const struct rw_frame *frame = &thread->native[i];
        bool is_innermost = inner == 0;
        if (frame->is_inlined)
            continue;
        if (is_innermost)
            inner = frame->cfa - FRAME_MAX;
        while (chain < stack->count && stack->frames[chain].anchor < inner)
            chain++;
        if (is_innermost == only_innermost && chain < stack->count &&
            stack->frames[chain].anchor < frame->cfa && may_be_loop(py, frame))
            count_distance(distances, frame->cfa - stack->frames[chain].anchor);
        inner = frame->cfa;
    }
}

/* 0 where no thread tells. */
static uint64_t find_distance(struct rw_python *py)
{
    struct distance distances[DISTANCES] = {{0}}, best = {0};
    for (int only_innermost = 0; only_innermost <= 1 && !best.count; only_innermost++) {
        for (size_t i = 0; i < py->stack_count && i < py->process->thread_count; i++)
            count_distances(py, &py->process->threads[i], &py->stacks[i], only_innermost, distances);
        for (unsigned i = 0; i < DISTANCES; i++)
            if (distances[i].count > best.count)
                best = distances[i];
    }
    return best.bytes;
}

/* native_count where that is not known. */
static size_t first_standing(struct rw_python *py, const struct rw_thread *thread)
{
    uint64_t begin = thread->native[0].cfa - 8, end = thread->native[thread->native_count - 1].cfa;
    uint64_t *words = end > begin && end - begin < STACK_MAX ? malloc(end - begin) : NULL;
    size_t standing = thread->native_count;
    if (words && rw_py_read(py, begin, words, (end - begin) / 8 * 8) == 0)
        standing = rw_py_first_standing(thread, thread->native_count - 1, words, begin, end);
    free(words);
    return standing;
}

static void merge_by_anchors(struct rw_python *py, struct rw_thread *thread, const struct rw_py_stack *stack,
                             uint64_t distance)
{
    size_t native = thread->native_count, standing = first_standing(py, thread);
    int index = -1;
    uint64_t anchor = 0;
    for (size_t i = stack->count; i-- > 0;) {
        if (stack->frames[i].is_torn || !stack->frames[i].anchor)
            return;
        if (stack->frames[i].anchor != anchor) {
            anchor = stack->frames[i].anchor;
            while (native > 0 && (thread->native[native - 1].cfa > anchor + distance ||
                                  thread->native[native - 1].is_inlined))
                native--;
            if (native == 0 || thread->native[native - 1].cfa != anchor + distance ||
                !may_be_loop(py, &thread->native[native - 1]) || native - 1 < standing)
                return;
            index = (int)native - 1;
            thread->native[index].is_python_eval = true;
        }
        thread->python[i].native_index = index;
    }
}

/* The first of a state's frames, from the outermost one inwards, that are where they were. */
static size_t first_there(struct rw_python *py, const struct rw_py_state *state)
{
    struct rw_py_frame *frames;
    size_t count, first = state->frame_count;
    rw_py_walk(py, state, false, &frames, &count, NULL);
    while (first > 0 && count > 0 && frames[count - 1].address == state->frames[first - 1].address &&
           frames[count - 1].code_address == state->frames[first - 1].code_address &&
           frames[count - 1].previous == state->frames[first - 1].previous) {
        first--;
        count--;
    }
    talloc_free(frames);
    return first;
}

/* The same of a whole stack: what is there after the native stack was read was there when it was read. A loop
 * that ran another frame before may still have that one's address somewhere. */
static size_t first_of_stack_there(struct rw_python *py, const struct rw_py_stack *stack)
{
    size_t limit = 0;
    for (size_t s = 0; s < py->state_count; s++) {
        const struct rw_py_state *state = &py->states[s];
        size_t at = 0, first;
        if (state->tid != stack->tid || !state->frame_count)
            continue;
        while (at < stack->count && stack->frames[at].address != state->frames[0].address)
            at++;
        first = first_there(py, state);
        if (first && at + first > limit)
            limit = at + first;
    }
    return limit;
}

static void merge_by_addresses(struct rw_python *py, struct rw_thread *thread,
                               const struct rw_py_stack *stack)
{
    struct rw_py_loops loops = rw_py_find_loops(py, thread);
    if (loops.count == stack->count && rw_py_loops_read(py, thread, &loops)) {
        size_t limit = first_of_stack_there(py, stack);
        for (size_t i = stack->count; i-- > limit;) {
            if (stack->frames[i].is_torn || !rw_py_loops_keep(&loops, i, &stack->frames[i], 1))
                break;
            thread->python[i].native_index = loops.items[i].index;
        }
    }
    rw_py_loops_free(&loops);
}

void rw_py_merge(struct rw_python *py)
{
    bool has_anchors = py->layout.minor >= 10;
    uint64_t distance = has_anchors ? find_distance(py) : 0;
    for (size_t i = 0; i < py->stack_count && i < py->process->thread_count; i++) {
        struct rw_thread *thread = &py->process->threads[i];
        if (!py->stacks[i].count || py->stacks[i].count != thread->python_count || !thread->native_count)
            continue;
        if (!has_anchors)
            merge_by_addresses(py, thread, &py->stacks[i]);
        else if (distance)
            merge_by_anchors(py, thread, &py->stacks[i], distance);
    }
}
