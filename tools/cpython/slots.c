/* SPDX-License-Identifier: MIT */
#include "tools/cpython/slots.h"

#include "tools/cpython/object.h"

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
