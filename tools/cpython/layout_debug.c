/* SPDX-License-Identifier: MIT */
/*
 * Layouts from 3.13 on, out of the process' own _Py_DebugOffsets: a cookie of 8 bytes, the version, the
 * free_threaded flag, then one 64-bit offset after the other. Their order is fixed within a minor version and
 * changes between them, so an order is a row here: the places in struct rw_layout that the words go to.
 * (CPython: Include/internal/pycore_runtime.h in 3.13, pycore_debug_offsets.h later.)
 */
#include "tools/cpython/layout.h"

#include <errno.h>
#include <string.h>

#define SKIP UINT16_MAX
#define END (UINT16_MAX - 1)
#define AT(field) (uint16_t) offsetof(struct rw_layout, field)

#define RUNTIME SKIP, AT(runtime.finalizing), AT(runtime.interpreters_head)
#define INTERPRETER_GIL                                                                                      \
    /* imports_modules sysdict builtins ceval_gil _gil enabled locked holder */                              \
    AT(interpreter.modules), SKIP, SKIP, AT(interpreter.gil), AT(interpreter.own_gil), AT(gil.enabled),      \
        AT(gil.locked), AT(gil.holder)
#define INTERPRETER_HEAD SKIP, AT(interpreter.id), AT(interpreter.next), AT(interpreter.threads_head)
#define THREAD_HEAD SKIP, SKIP, AT(thread_state.next), AT(thread_state.interp), AT(thread_state.frame)
/* thread_id native_thread_id datastack_chunk status */
#define THREAD_IDS                                                                                           \
    AT(thread_state.thread_id), AT(thread_state.native_thread_id), SKIP, AT(thread_state.status)
#define FRAME                                                                                                \
    SKIP, AT(frame.previous), AT(frame.code), AT(frame.instruction), AT(frame.locals), AT(frame.owner)
/* size filename name qualname linetable firstlineno argcount localsplusnames localspluskinds
 * co_code_adaptive; argcount is kept where the flags go: flags come right before it (see derive) */
#define CODE                                                                                                 \
    SKIP, AT(code.filename), AT(code.name), AT(code.qualname), AT(code.lines), AT(code.first_line),          \
        AT(code.flags), AT(code.local_names), SKIP, AT(code.instructions)
#define OBJECT_TYPE AT(object.size), AT(object.type), AT(type.size), AT(type.name), SKIP, AT(type.flags)
#define TUPLE SKIP, AT(tuple.items), SKIP
#define LIST SKIP, SKIP, SKIP
#define SET SKIP, SKIP, SKIP, SKIP
#define DICT SKIP, AT(dict.keys), AT(dict.values)
#define FLOAT_LONG_BYTES SKIP, SKIP, SKIP, SKIP, SKIP, SKIP, SKIP, SKIP
#define GENERATOR SKIP, SKIP, AT(generator.frame), AT(generator.state)
#define STRING SKIP, AT(string.state), AT(string.length), AT(string.ascii)

static const uint16_t order_3_13[] = {
    RUNTIME,
    INTERPRETER_HEAD,
    SKIP /* gc */,
    INTERPRETER_GIL,
    THREAD_HEAD,
    THREAD_IDS,
    FRAME,
    CODE,
    OBJECT_TYPE,
    TUPLE,
    LIST,
    DICT,
    FLOAT_LONG_BYTES,
    STRING,
    END,
};

/* threads_main before gc; generations of code; stackpointer and tlbc_index behind the frame's owner; co_tlbc;
 * sets. */
static const uint16_t order_3_14[] = {
    RUNTIME,
    INTERPRETER_HEAD,
    SKIP,
    SKIP,
    INTERPRETER_GIL,
    SKIP,
    SKIP,
    THREAD_HEAD,
    THREAD_IDS,
    FRAME,
    AT(frame.stack_top),
    AT(frame.tlbc_index),
    CODE,
    AT(code.tlbc),
    OBJECT_TYPE,
    TUPLE,
    LIST,
    SET,
    DICT,
    FLOAT_LONG_BYTES,
    STRING,
    SKIP,
    SKIP /* gc */,
    GENERATOR,
    END,
};

/* base_frame, last_profiled_frame and a counter before thread_id; holds_gil, gil_requested and two of the
 * exception state behind status, and one more; tp_basicsize, tp_dictoffset, and a heap type's size and cached
 * keys before tuples. */
static const uint16_t order_3_15[] = {
    RUNTIME,
    INTERPRETER_HEAD,
    SKIP,
    SKIP,
    INTERPRETER_GIL,
    SKIP,
    SKIP,
    THREAD_HEAD,
    SKIP,
    SKIP,
    SKIP,
    THREAD_IDS,
    SKIP,
    SKIP,
    SKIP,
    SKIP,
    SKIP,
    FRAME,
    AT(frame.stack_top),
    AT(frame.tlbc_index),
    CODE,
    AT(code.tlbc),
    OBJECT_TYPE,
    SKIP,
    SKIP,
    SKIP,
    AT(type.cached_keys),
    TUPLE,
    LIST,
    SET,
    DICT,
    FLOAT_LONG_BYTES,
    STRING,
    SKIP,
    SKIP,
    SKIP,
    SKIP,
    SKIP,
    SKIP /* gc */,
    GENERATOR,
    END,
};

/* A version that is not listed is read in the newest order that is. */
static const struct order {
    unsigned minor;
    unsigned variant;
    const uint16_t *fields;
} orders[] = {
    {13, 0, order_3_13},
    {14, 0, order_3_14},
    {15, 0, order_3_15},
    {15, 1, order_3_14},
};

static const uint16_t *find_order(unsigned minor, unsigned variant)
{
    unsigned newest = orders[sizeof orders / sizeof orders[0] - 1].minor;
    if (minor > newest)
        minor = newest;
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++)
        if (orders[i].minor == minor && orders[i].variant == variant)
            return orders[i].fields;
    return NULL;
}

/* Fields that the debug offsets leave out have had a fixed place beside one that they have, since 3.11. */
static void derive(struct rw_layout *l)
{
    uint32_t argcount = l->code.flags;
    l->code.flags = argcount - 4;
    l->code.exceptions = argcount - 12;
    l->code.stack_size = l->code.first_line - 4;
    l->code.local_count = l->code.first_line + 4;
    l->code.size = l->code.instructions + 8;
    l->frame.globals = l->frame.previous + 16;
    l->frame.size = l->frame.locals;
    if (l->frame.stack_top == RW_NO_FIELD) /* 3.13 */
        l->frame.stack_top = l->frame.instruction + 8;
    if (l->generator.frame == RW_NO_FIELD) { /* 3.13 */
        l->generator.frame = l->object.size + 56;
        l->generator.state = l->generator.frame - 5;
    }
    if (l->type.cached_keys == RW_NO_FIELD) /* before 3.15 */
        l->type.cached_keys = l->type.size + 464;
    l->string.compact = l->string.ascii + 16;
    if (l->interpreter.threads_head == l->interpreter.id + 72) /* 3.13 to 3.15: the flags lie between them */
        l->interpreter.finalizing = l->interpreter.id + 48;
    l->gil.locked -= l->interpreter.own_gil;
    l->gil.holder -= l->interpreter.own_gil;
    if (!l->is_free_threaded) { /* 0 stands for "none" there */
        l->gil.enabled = RW_NO_FIELD;
        l->code.tlbc = RW_NO_FIELD;
        l->frame.tlbc_index = RW_NO_FIELD;
    }
}

/* The offsets' own sizes must make sense, so that one read gets all of a structure. */
static bool is_sensible(const struct rw_layout *l)
{
    return l->object.type < l->object.size && l->object.size <= 64 && l->frame.size >= 48 &&
           l->frame.size <= 256 && l->frame.previous + 24 <= l->frame.size &&
           l->frame.code + 8 <= l->frame.size && l->frame.instruction + 8 <= l->frame.size &&
           l->frame.stack_top + 8 <= l->frame.size && l->frame.owner < l->frame.size && l->code.size >= 128 &&
           l->code.size <= 512 && l->code.exceptions + 8 <= l->code.size &&
           l->code.first_line + 8 <= l->code.size && l->code.filename + 8 <= l->code.size &&
           l->code.name + 8 <= l->code.size && l->code.qualname + 8 <= l->code.size &&
           l->code.lines + 8 <= l->code.size && l->code.local_names + 8 <= l->code.size &&
           l->gil.holder < 4096 && l->gil.locked == l->gil.holder + 8 && l->string.ascii <= 128 &&
           l->string.length + 8 <= l->string.ascii && l->string.state + 4 <= l->string.ascii &&
           (l->code.tlbc == RW_NO_FIELD || l->code.tlbc + 8 <= l->code.size) &&
           (l->frame.tlbc_index == RW_NO_FIELD || l->frame.tlbc_index + 4 <= l->frame.size);
}

int rw_layout_from_debug_offsets(const uint8_t *bytes, size_t size, unsigned minor, unsigned variant,
                                 struct rw_layout *layout)
{
    const uint16_t *order = find_order(minor, variant);
    if (!order)
        return -ENOENT;
    uint64_t free_threaded;
    memset(layout, 0xff, sizeof *layout);
    layout->minor = minor;
    layout->source = "the process' own debug offsets";
    if (size < 24)
        return -EBADMSG;
    memcpy(&free_threaded, bytes + 16, sizeof free_threaded);
    layout->is_free_threaded = free_threaded != 0;
    size_t at = 24;
    for (; *order != END; order++, at += 8) {
        uint64_t value;
        if (at + sizeof value > size)
            return -EBADMSG;
        if (*order == SKIP)
            continue;
        memcpy(&value, bytes + at, sizeof value);
        if (value > UINT32_C(1) << 24)
            return -EBADMSG;
        *(uint32_t *)((char *)layout + *order) = (uint32_t)value;
    }
    derive(layout);
    return is_sensible(layout) ? 0 : -EBADMSG;
}
