/* SPDX-License-Identifier: MIT */
#include "tools/cpython/slots.h"

#include <stdlib.h>

#include <talloc.h>

#include "tools/cpython/object.h"

void rw_py_fill_slots(struct rw_python *py, struct rw_py_frame *frame, rw_py_copy *copy, void *from)
{
    const struct rw_layout *l = &py->layout;
    const struct rw_py_code *code = rw_py_code_known(py, frame->code_address);
    size_t count = code && code->is_code ? (size_t)code->local_count + code->stack_size : 0;
    if (count == 0 || count > RW_PY_SLOTS_MAX)
        return;
    frame->slots = talloc_array(py->scratch, uint64_t, count);
    if (!frame->slots)
        abort();
    if (copy(from, frame->address + l->frame.locals, frame->slots, count * 8))
        frame->slot_count = count;
    for (size_t i = 0; i < frame->slot_count; i++)
        frame->slots[i] = rw_py_untag(py, frame->slots[i]);
    uint32_t blocks = 0;
    if (l->frame.block_count != RW_NO_FIELD &&
        copy(from, frame->address + l->frame.block_count, &blocks, sizeof blocks) &&
        blocks <= RW_PY_BLOCKS_MAX &&
        copy(from, frame->address + l->frame.blocks, frame->blocks, blocks * sizeof frame->blocks[0]))
        frame->block_count = blocks;
}

struct rw_py_slots rw_py_slots(const struct rw_py_frame *frame)
{
    size_t locals = frame->code->local_count;
    return (struct rw_py_slots){.values = frame->slots,
                                .count = frame->slot_count,
                                .local_count = locals < frame->slot_count ? locals : frame->slot_count};
}

uint64_t rw_py_local_name(struct rw_python *py, const struct rw_py_code *code, size_t index)
{
    for (size_t part = 0; part < 3; part++) {
        int64_t size = rw_py_tuple_size(py, code->local_names[part]);
        if (size < 0)
            continue;
        if (index < (size_t)size)
            return rw_py_tuple_item(py, code->local_names[part], (int64_t)index);
        index -= (size_t)size;
    }
    return 0;
}

uint64_t rw_py_uncell(struct rw_python *py, uint64_t value)
{
    return rw_py_is(py, value, "cell") ? rw_py_kept_word(py, value + py->layout.object.size) : value;
}

uint64_t rw_py_local(struct rw_python *py, const struct rw_py_frame *frame, const char *name)
{
    struct rw_py_slots slots = rw_py_slots(frame);
    for (size_t i = 0; i < slots.local_count; i++)
        if (slots.values[i] && rw_py_string_equals(py, rw_py_local_name(py, frame->code, i), name))
            return rw_py_uncell(py, slots.values[i]);
    return 0;
}
