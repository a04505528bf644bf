/* SPDX-License-Identifier: MIT */
#include "tools/cpython/code.h"

#include <stdlib.h>

#include <talloc.h>

#include "tools/basics/paths.h"
#include "tools/cpython/lines.h"
#include "tools/cpython/object.h"

#define CODE_MAX (1u << 28) /* instructions of one function */

static bool has(uint32_t offset)
{
    return offset != RW_NO_FIELD;
}

static int64_t bounded(uint64_t size)
{
    return size <= CODE_MAX ? (int64_t)size : 0;
}

static uint32_t tuple_count(struct rw_python *py, uint64_t tuple)
{
    int64_t count = rw_py_tuple_size(py, tuple);
    return count > 0 && count < RW_PY_SLOTS_MAX ? (uint32_t)count : 0;
}

static void fill(struct rw_python *py, struct rw_py_code *code)
{
    const struct rw_layout *l = &py->layout;
    uint8_t raw[520];
    if (l->code.size > sizeof raw || rw_py_read_kept(py, code->address, raw, l->code.size))
        return;
    const struct rw_py_type *type = rw_py_type_at(py, rw_py_field(raw, l->object.type));
    if (!type || strcmp(type->name, "code"))
        return;
    code->file = rw_py_string(py, py->incident, rw_py_field(raw, l->code.filename));
    code->function = rw_py_string(py, py->incident, rw_py_field(raw, l->code.name));
    code->name =
        has(l->code.qualname) ? rw_py_string(py, py->incident, rw_py_field(raw, l->code.qualname)) : NULL;
    if (!code->name)
        code->name = code->function;
    if (!code->name || !rw_py_bytes(py, rw_py_field(raw, l->code.lines), &code->lines))
        return;
    code->first_line = (int)rw_py_field32(raw, l->code.first_line);
    /* What a call of a class returns to where its __init__ runs in the same loop (_Py_InitCleanup, 3.12 and
     * later): a code object of the interpreter's own, whose file is its name. */
    code->is_hidden = l->minor >= 12 && code->first_line == 0 &&
                      rw_py_field(raw, l->code.filename) == rw_py_field(raw, l->code.name);
    code->flags = rw_py_field32(raw, l->code.flags);
    code->stack_size = rw_py_field32(raw, l->code.stack_size);
    code->local_count = rw_py_field32(raw, l->code.local_count);
    code->local_names[0] = rw_py_field(raw, l->code.local_names);
    if (has(l->code.cell_names)) {
        code->local_names[1] = rw_py_field(raw, l->code.cell_names);
        code->local_names[2] = rw_py_field(raw, l->code.free_names);
        code->local_count += tuple_count(py, code->local_names[1]) + tuple_count(py, code->local_names[2]);
        code->bytecode = rw_py_field(raw, l->code.bytecode);
        code->size = bounded(rw_py_kept_word(py, code->bytecode + l->object.size));
    } else {
        code->exceptions = rw_py_field(raw, l->code.exceptions);
        code->instructions = code->address + l->code.instructions;
        code->size = bounded(rw_py_field(raw, l->object.size)) * 2; /* ob_size counts instructions */
        code->tlbc = has(l->code.tlbc) ? rw_py_field(raw, l->code.tlbc) : 0;
    }
    code->is_code = code->stack_size <= RW_PY_SLOTS_MAX * 16 && code->local_count <= RW_PY_SLOTS_MAX * 16;
}

const struct rw_py_code *rw_py_code_known(struct rw_python *py, uint64_t address)
{
    struct rw_py_code *code;
    HASH_FIND(hh, py->codes, &address, sizeof address, code);
    return code;
}

const struct rw_py_code *rw_py_code_at(struct rw_python *py, uint64_t address)
{
    const struct rw_py_code *known = rw_py_code_known(py, address);
    if (known)
        return known;
    struct rw_py_code *code = talloc_zero(py->scratch, struct rw_py_code);
    if (!code)
        abort();
    code->address = address;
    fill(py, code);
    HASH_ADD(hh, py->codes, address, sizeof code->address, code);
    return code;
}

/* Where the thread's copy of the instructions begins: free-threaded builds have one for each thread that
 * specialised them, in an array behind its size. */
static uint64_t first_instruction(struct rw_python *py, const struct rw_py_frame *frame)
{
    uint64_t index = frame->tlbc_index, tlbc = frame->code->tlbc;
    if (!tlbc || index == 0 || index >= rw_py_kept_word(py, tlbc))
        return frame->code->instructions;
    uint64_t copy = rw_py_kept_word(py, tlbc + 8 + index * 8);
    return copy ? copy : frame->code->instructions;
}

/* In bytes from the code's first instruction. Up to 3.10 f_lasti counts bytes, in 3.10 instructions of 2
 * bytes. */
int32_t rw_py_instruction_offset(struct rw_python *py, const struct rw_py_frame *frame)
{
    int64_t at;
    if (py->layout.minor <= 10) {
        at = (int32_t)frame->instruction;
        at = py->layout.minor == 10 && at > 0 ? at * 2 : at;
    } else {
        at = (int64_t)(frame->instruction - first_instruction(py, frame));
    }
    return at < -2 || at >= frame->code->size || at > INT32_MAX ? INT32_MIN : (int32_t)at;
}

int rw_py_code_line(struct rw_python *py, const struct rw_py_code *code, int32_t at)
{
    return rw_line_of(py->layout.minor, code->lines.data, code->lines.size, code->first_line, at);
}

bool rw_py_is_asyncio(const struct rw_py_code *code)
{
    static const char folder[] = "/asyncio/";
    size_t before = code->file ? (size_t)(rw_py_code_base(code) - code->file) : 0;

    return before >= sizeof folder - 1 &&
           strncmp(code->file + before - (sizeof folder - 1), folder, sizeof folder - 1) == 0;
}

const char *rw_py_code_base(const struct rw_py_code *code)
{
    return code->file ? rw_base_name(code->file) : "";
}
