/* SPDX-License-Identifier: MIT */
#include "tools/cpython/slots.h"

#include <errno.h>
#include <stdlib.h>

#include <talloc.h>

#include "tools/cpython/object.h"

int rw_py_slots(struct rw_python *py, const struct rw_py_frame *frame, struct rw_py_slots *slots)
{
    const struct rw_py_code *code = rw_py_code_at(py, frame->code);
    *slots = (struct rw_py_slots){0};
    size_t count = (size_t)code->local_count + code->stack_size;
    if (!code->is_code || count > RW_PY_SLOTS_MAX)
        return -EFAULT;
    slots->values = talloc_array(py->scratch, uint64_t, count + 1);
    if (!slots->values)
        abort();
    if (count && rw_py_read(py, frame->address + py->layout.frame.locals, slots->values, count * 8))
        return -EFAULT;
    for (size_t i = 0; i < count; i++)
        slots->values[i] = rw_py_untag(py, slots->values[i]);
    slots->local_count = code->local_count;
    slots->count = count;
    return 0;
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
    return rw_py_is(py, value, "cell") ? rw_py_word(py, value + py->layout.object.size) : value;
}

uint64_t rw_py_local(struct rw_python *py, const struct rw_py_frame *frame, const char *name)
{
    const struct rw_py_code *code = rw_py_code_at(py, frame->code);
    struct rw_py_slots slots;
    uint64_t found = 0;
    if (rw_py_slots(py, frame, &slots))
        return 0;
    for (size_t i = 0; i < slots.local_count && !found; i++)
        if (slots.values[i] && rw_py_string_equals(py, rw_py_local_name(py, code, i), name))
            found = rw_py_uncell(py, slots.values[i]);
    talloc_free(slots.values);
    return found;
}
