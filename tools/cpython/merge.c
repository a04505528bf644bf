/* SPDX-License-Identifier: MIT */
/*
 * Which native frame runs which Python frames: each evaluation loop on the native stack runs one chain of them. A chain
 * that has an anchor (an address in its loop's native frame) belongs to the loop whose frame holds that address. Without
 * anchors, chains and loops are matched in their order, and only if there are as many of one as of the other: native
 * and Python stack were read at two moments, and a wrong pairing would be worse than none.
 */
#include "tools/cpython/python.h"

#include <stdlib.h>

#include <talloc.h>

struct loops {
    int *index;      /* into native[], innermost first */
    uint64_t *begin; /* lowest and one past the highest address of the native frame */
    uint64_t *end;
    size_t count;
};

/* A frame reaches from the canonical address of the next inner one to its own. Inlined calls have their caller's. */
static struct loops find_loops(struct rw_python *py, const struct rw_thread *thread)
{
    struct loops loops = {
        .index = talloc_array(py->scratch, int, thread->native_count + 1),
        .begin = talloc_array(py->scratch, uint64_t, thread->native_count + 1),
        .end = talloc_array(py->scratch, uint64_t, thread->native_count + 1),
    };
    uint64_t inner = 0;
    if (!loops.index || !loops.begin || !loops.end)
        abort();
    for (size_t i = 0; i < thread->native_count; i++) {
        const struct rw_frame *frame = &thread->native[i];
        if (frame->is_python_eval && !frame->is_inlined) {
            loops.index[loops.count] = (int)i;
            loops.begin[loops.count] = inner;
            loops.end[loops.count++] = frame->cfa;
        }
        if (!frame->is_inlined)
            inner = frame->cfa;
    }
    return loops;
}

static int loop_of(const struct loops *loops, uint64_t anchor)
{
    for (size_t i = 0; anchor && i < loops->count; i++)
        if (anchor >= loops->begin[i] && anchor < loops->end[i])
            return loops->index[i];
    return -1;
}

static void merge_thread(struct rw_python *py, struct rw_thread *thread, const struct rw_py_stack *stack)
{
    struct loops loops = find_loops(py, thread);
    bool has_anchors = true;
    size_t chains = 0;
    for (size_t i = 0; i < stack->count; i++) {
        chains += stack->frames[i].is_entry;
        has_anchors = has_anchors && stack->frames[i].anchor;
    }
    size_t chain = 0;
    for (size_t i = 0; i < stack->count; i++) {
        struct rw_python_frame *frame = &thread->python[i];
        if (stack->frames[i].anchor)
            frame->native_index = loop_of(&loops, stack->frames[i].anchor);
        else if (!has_anchors && chains == loops.count && !frame->is_torn)
            frame->native_index = loops.index[chain];
        chain += stack->frames[i].is_entry;
    }
}

void rw_py_merge(struct rw_python *py)
{
    for (size_t i = 0; i < py->stack_count && i < py->process->thread_count; i++)
        if (py->stacks[i].count && py->stacks[i].count == py->process->threads[i].python_count)
            merge_thread(py, &py->process->threads[i], &py->stacks[i]);
}
