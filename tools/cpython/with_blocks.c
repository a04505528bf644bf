/* SPDX-License-Identifier: MIT */
/*
 * An open `with` block keeps on the value stack what it will call at its end: up to 3.13 the bound method __exit__, from
 * 3.14 the method and its object. Which slots are alive: up to 3.10 the block stack says; later the depth of the
 * exception table's entry that covers the instruction.
 */
#include "tools/cpython/with_blocks.h"

#include <talloc.h>

#include "tools/cpython/exceptions.h"
#include "tools/cpython/object.h"
#include "tools/cpython/slots.h"

#define SETUP_FINALLY 122 /* 3.8 to 3.10 */
#define SETUP_WITH 143
#define EXTENDED_ARG 144
#define BLOCKS_MAX 20

static bool is_lock_of(struct rw_python *py, uint64_t manager, uint64_t lock)
{
    return manager == lock ||
           (rw_py_is_kind_of(py, manager, "Condition") && rw_py_attribute(py, manager, "_lock") == lock);
}

static bool is_exit_of(struct rw_python *py, uint64_t slot, uint64_t lock)
{
    uint64_t self = rw_py_bound_self(py, slot);
    if (self && rw_py_bound_name_is(py, slot, "__exit__") && is_lock_of(py, self, lock))
        return true;
    return py->layout.minor >= 14 && slot && is_lock_of(py, slot, lock);
}

/* 3.11 and later. */
static bool by_exception_table(struct rw_python *py, const struct rw_py_frame *frame, const struct rw_py_code *code,
                               const struct rw_py_slots *slots, uint64_t lock, int *line)
{
    struct rw_py_bytes table;
    struct rw_exception_entry entry;
    if (frame->at < 0 || !rw_py_bytes(py, code->exceptions, &table) ||
        !rw_exception_covering(table.data, table.size, (uint32_t)frame->at, &entry))
        return false;
    for (size_t i = entry.depth; i-- > 0;) {
        uint32_t start;
        if (slots->local_count + i >= slots->count || !is_exit_of(py, slots->values[slots->local_count + i], lock))
            continue;
        *line = 0;
        if (rw_exception_block_start(table.data, table.size, (uint32_t)frame->at, (uint32_t)i + 1, &start) && start >= 2)
            *line = rw_py_code_line(py, code, (int32_t)start - 2);
        return true;
    }
    return false;
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
        if (bytes.data[i] == SETUP_WITH && (i + 2) / unit + argument == handler)
            return rw_py_code_line(py, code, (int32_t)i);
        argument = 0;
    }
    return 0;
}

/* 3.8 to 3.10. */
static bool by_block_stack(struct rw_python *py, const struct rw_py_frame *frame, const struct rw_py_code *code,
                           const struct rw_py_slots *slots, uint64_t lock, int *line)
{
    struct {
        int32_t type, handler, level;
    } blocks[BLOCKS_MAX];
    uint32_t count = rw_py_int(py, frame->address + py->layout.frame.block_count);
    if (count > BLOCKS_MAX || rw_py_read(py, frame->address + py->layout.frame.blocks, blocks, sizeof blocks))
        return false;
    for (uint32_t i = count; i-- > 0;) {
        size_t slot = slots->local_count + (size_t)blocks[i].level - 1;
        if (blocks[i].type != SETUP_FINALLY || blocks[i].level < 1 || slot >= slots->count ||
            !is_exit_of(py, slots->values[slot], lock))
            continue;
        *line = line_of_setup(py, code, (uint32_t)blocks[i].handler);
        return true;
    }
    return false;
}

static bool is_in_block(struct rw_python *py, const struct rw_py_frame *frame, uint64_t lock, int *line)
{
    const struct rw_py_code *code = rw_py_code_at(py, frame->code);
    struct rw_py_slots slots;
    if (frame->is_torn || rw_py_slots(py, frame, &slots))
        return false;
    bool found = py->layout.minor >= 11 ? by_exception_table(py, frame, code, &slots, lock, line)
                                        : by_block_stack(py, frame, code, &slots, lock, line);
    talloc_free(slots.values);
    return found;
}

/* Condition.wait lets go of its lock until it returns. */
static bool lets_go(struct rw_python *py, const struct rw_py_frame *frame, uint64_t lock)
{
    const struct rw_py_code *code = rw_py_code_at(py, frame->code);
    if (!code->function || strcmp(code->function, "wait") || strcmp(rw_py_code_base(code), "threading.py"))
        return false;
    uint64_t self = rw_py_local(py, frame, "self");
    return rw_py_is_kind_of(py, self, "Condition") && rw_py_attribute(py, self, "_lock") == lock;
}

const char *rw_py_with_block(struct rw_python *py, const struct rw_py_stack *stack, uint64_t lock)
{
    int line;
    for (size_t i = 0; i < stack->count; i++) {
        if (lets_go(py, &stack->frames[i], lock))
            return NULL;
        if (!is_in_block(py, &stack->frames[i], lock, &line))
            continue;
        const char *file = rw_py_code_at(py, stack->frames[i].code)->file;
        return line ? talloc_asprintf(py->incident, "%s:%d", file ? file : "?", line)
                    : talloc_strdup(py->incident, file ? file : "?");
    }
    return NULL;
}
