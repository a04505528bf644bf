/* SPDX-License-Identifier: MIT */
/*
 * An open `with` block keeps on the value stack what it will call at its end: up to 3.13 the bound method
 * __exit__ or __aexit__, from 3.14 the method and its object. Which slots are alive: up to 3.10 the block
 * stack says; later the depth of the exception table's entry that covers the instruction.
 */
#include "tools/cpython/with_blocks.h"

#include <stdlib.h>

#include <talloc.h>

#include "tools/cpython/exceptions.h"
#include "tools/cpython/object.h"
#include "tools/cpython/slots.h"

#define SETUP_FINALLY 122 /* 3.8 to 3.10 */
#define SETUP_WITH 143
#define SETUP_ASYNC_WITH 154
#define EXTENDED_ARG 144

/* The lock behind a context manager: itself, or a Condition's; 0 for other managers. asyncio's locks are
 * written in Python. */
static uint64_t lock_of(struct rw_python *py, uint64_t manager)
{
    if (rw_py_is(py, manager, "_thread.lock") || rw_py_is(py, manager, "_thread.RLock") ||
        rw_py_is_kind_of(py, manager, "Lock"))
        return manager;
    return rw_py_is_kind_of(py, manager, "Condition") ? rw_py_attribute(py, manager, "_lock") : 0;
}

/* The lock that this slot will release when its block ends; 0 if it is no such slot. */
static uint64_t lock_to_release(struct rw_python *py, uint64_t slot)
{
    uint64_t self = slot ? rw_py_bound_self(py, slot) : 0;
    uint64_t lock = self ? lock_of(py, self) : 0;
    if (lock && (rw_py_bound_name_is(py, slot, "__exit__") || rw_py_bound_name_is(py, slot, "__aexit__")))
        return lock;
    return slot && !self && py->layout.minor >= 14 ? lock_of(py, slot) : 0;
}

static void append(struct rw_python *py, struct rw_py_with block)
{
    py->withs = talloc_realloc(py->scratch, py->withs, struct rw_py_with, py->with_count + 1);
    if (!py->withs)
        abort();
    py->withs[py->with_count++] = block;
}

/* 3.11 and later. */
static void by_exception_table(struct rw_python *py, const struct rw_py_frame *frame,
                               const struct rw_py_code *code, const struct rw_py_slots *slots,
                               struct rw_py_with block)
{
    struct rw_py_bytes table;
    struct rw_exception_entry entry;
    uint32_t at = (uint32_t)frame->at, start;
    if (frame->at < 0 || !rw_py_bytes(py, code->exceptions, &table) ||
        !rw_exception_covering(table.data, table.size, at, &entry))
        return;
    /* From 3.12 the yield of an await has a handler of its own, above a manager that is not entered yet. */
    if (block.task && entry.end - entry.start == 2 &&
        !rw_exception_covering(table.data, table.size, entry.end, &entry))
        return;
    for (size_t i = entry.depth; i-- > 0;) {
        if (slots->local_count + i >= slots->count)
            continue;
        block.lock = lock_to_release(py, slots->values[slots->local_count + i]);
        if (!block.lock)
            continue;
        bool has_start = rw_exception_block_start(table.data, table.size, at, (uint32_t)i + 1, &start);
        block.line = has_start && start >= 2 ? rw_py_code_line(py, code, (int32_t)start - 2) : 0;
        append(py, block);
    }
}

/* The SETUP_WITH that has this handler. Handlers are counted like f_lasti: bytes, in 3.10 instructions. */
static int line_of_setup(struct rw_python *py, const struct rw_py_code *code, uint32_t handler)
{
    struct rw_py_bytes bytes;
    uint32_t unit = py->layout.minor >= 10 ? 2 : 1, argument = 0;
    if (!rw_py_bytes(py, code->bytecode, &bytes))
        return 0;
    for (size_t i = 0; i + 1 < bytes.size; i += 2) {
        argument = argument << 8 | bytes.data[i + 1];
        if (bytes.data[i] == EXTENDED_ARG)
            continue;
        if ((bytes.data[i] == SETUP_WITH || bytes.data[i] == SETUP_ASYNC_WITH) &&
            (i + 2) / unit + argument == handler)
            return rw_py_code_line(py, code, (int32_t)i);
        argument = 0;
    }
    return 0;
}

/* 3.8 to 3.10. */
static void by_block_stack(struct rw_python *py, const struct rw_py_frame *frame,
                           const struct rw_py_code *code, const struct rw_py_slots *slots,
                           struct rw_py_with block)
{
    const struct rw_py_block *blocks = frame->blocks;
    for (uint32_t i = frame->block_count; i-- > 0;) {
        size_t slot = slots->local_count + (size_t)blocks[i].level - 1;
        /* A `try` directly inside has a block of the same level. */
        bool is_inner = i > 0 && blocks[i - 1].level == blocks[i].level;
        if (blocks[i].type != SETUP_FINALLY || is_inner || blocks[i].level < 1 || slot >= slots->count)
            continue;
        block.lock = lock_to_release(py, slots->values[slot]);
        if (!block.lock)
            continue;
        block.line = line_of_setup(py, code, (uint32_t)blocks[i].handler);
        append(py, block);
    }
}

/* Condition.wait lets go of its lock until it returns: the lock, or 0. */
static uint64_t lock_let_go(struct rw_python *py, const struct rw_py_frame *frame,
                            const struct rw_py_code *code)
{
    if (!code->function || strcmp(code->function, "wait") ||
        (strcmp(rw_py_code_base(code), "threading.py") && !rw_py_is_asyncio(code)))
        return 0;
    uint64_t self = rw_py_local(py, frame, "self");
    return rw_py_is_kind_of(py, self, "Condition") ? rw_py_attribute(py, self, "_lock") : 0;
}

void rw_py_add_withs(struct rw_python *py, const struct rw_py_frame *frame, struct rw_py_with whose)
{
    const struct rw_py_code *code = frame->code;
    struct rw_py_with block = whose;
    struct rw_py_slots slots = rw_py_slots(frame);
    block.file = code->file;
    block.is_let_go = true;
    block.lock = lock_let_go(py, frame, code);
    if (block.lock)
        append(py, block);
    block.is_let_go = false;
    if (frame->is_torn)
        return;
    if (py->layout.minor >= 11)
        by_exception_table(py, frame, code, &slots, block);
    else
        by_block_stack(py, frame, code, &slots, block);
}

void rw_py_find_withs(struct rw_python *py)
{
    for (size_t s = 0; s < py->stack_count; s++)
        for (size_t f = 0; f < py->stacks[s].count; f++)
            rw_py_add_withs(py, &py->stacks[s].frames[f], (struct rw_py_with){.tid = py->stacks[s].tid});
}

const char *rw_py_with_place(struct rw_python *py, const struct rw_py_with *block)
{
    const char *file = block->file ? block->file : "?";
    return block->line ? talloc_asprintf(py->incident, "%s:%d", file, block->line)
                       : talloc_strdup(py->incident, file);
}

const char *rw_py_with_block(struct rw_python *py, int tid, uint64_t lock)
{
    for (size_t i = 0; i < py->with_count; i++) {
        const struct rw_py_with *block = &py->withs[i];
        if (block->tid != tid || block->lock != lock)
            continue;
        return block->is_let_go ? NULL : rw_py_with_place(py, block);
    }
    return NULL;
}
