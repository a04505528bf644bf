/* SPDX-License-Identifier: MIT */
#include "tools/cpython/loops.h"

#include <stdlib.h>

#include <talloc.h>

#define BELOW 256u           /* bytes of the innermost native frame that may hold something saved */
#define STACK_MAX (4u << 20) /* bytes of a native stack that are searched */

struct rw_py_loops rw_py_find_loops(struct rw_python *py, const struct rw_thread *thread)
{
    struct rw_py_loops loops = {.items =
                                    talloc_array(py->scratch, struct rw_py_loop, thread->native_count + 1)};
    uint64_t inner = thread->native_count ? (thread->native[0].cfa - BELOW) & ~UINT64_C(7) : 0, from = inner;
    if (!loops.items)
        abort();
    loops.begin = inner;
    for (size_t i = 0; i < thread->native_count; i++) {
        const struct rw_frame *frame = &thread->native[i];
        if (frame->is_inlined)
            continue;
        if (frame->is_python_eval) {
            loops.items[loops.count++] = (struct rw_py_loop){(int)i, from, frame->cfa};
            from = inner;
        }
        inner = frame->cfa;
    }
    return loops;
}

size_t rw_py_first_standing(const struct rw_thread *thread, size_t outermost, const uint64_t *words,
                            uint64_t begin, uint64_t end)
{
    const struct rw_frame *caller = NULL;
    size_t standing = thread->native_count;
    for (size_t i = thread->native_count; i-- > 0; standing = i) {
        const struct rw_frame *frame = &thread->native[i];
        uint64_t at = frame->cfa - 8;
        if (frame->is_inlined)
            continue;
        if (caller && i <= outermost && (at < begin || at >= end || words[(at - begin) / 8] != caller->pc))
            break;
        caller = frame;
    }
    return standing;
}

bool rw_py_loops_read(struct rw_python *py, const struct rw_thread *thread, struct rw_py_loops *loops)
{
    uint64_t end = loops->count ? loops->items[loops->count - 1].cfa : 0;
    if (!thread->native_count || end <= loops->begin || end - loops->begin > STACK_MAX)
        return false;
    talloc_free(loops->words);
    loops->words = talloc_array(py->scratch, uint64_t, (end - loops->begin) / 8);
    if (!loops->words)
        abort();
    if (rw_py_read(py, loops->begin, loops->words, (end - loops->begin) / 8 * 8))
        return false;
    size_t standing = rw_py_first_standing(thread, (size_t)loops->items[loops->count - 1].index, loops->words,
                                           loops->begin, end);
    loops->standing = loops->count;
    while (loops->standing > 0 && (size_t)loops->items[loops->standing - 1].index >= standing)
        loops->standing--;
    return true;
}

static bool keeps(const struct rw_py_loops *loops, const struct rw_py_loop *loop, uint64_t value)
{
    for (uint64_t i = (loop->from - loops->begin) / 8; i < (loop->cfa - loops->begin) / 8; i++)
        if (loops->words[i] == value)
            return true;
    return false;
}

bool rw_py_loops_keep(const struct rw_py_loops *loops, size_t first, const struct rw_py_frame *frames,
                      size_t count)
{
    if (count > loops->count || first > loops->count - count || first < loops->standing)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!keeps(loops, &loops->items[first + i], frames[i].address))
            return false;
    return true;
}

void rw_py_loops_free(struct rw_py_loops *loops)
{
    talloc_free(loops->words);
    talloc_free(loops->items);
    *loops = (struct rw_py_loops){0};
}
