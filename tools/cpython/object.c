/* SPDX-License-Identifier: MIT */
/* Types, strings, numbers and tuples. */
#include "tools/cpython/object.h"

#include <stdlib.h>

#include <talloc.h>

#include "tools/cpython/strings.h"

#define STRING_MAX 4096u
#define BYTES_MAX (1u << 20)
#define BASES_MAX 32
#define SET_MAX (1u << 20)

static uint64_t type_address(struct rw_python *py, uint64_t object)
{
    return object ? rw_py_kept_word(py, object + py->layout.object.type) : 0;
}

/* A C string, which may end right before a page that is not mapped: so by pieces that never cross into one.
 */
static void read_name(struct rw_python *py, uint64_t address, char name[64])
{
    size_t used = 0;
    while (used < 63) {
        size_t piece = 16 - (address + used) % 16;
        if (piece > 63 - used)
            piece = 63 - used;
        if (rw_py_read_kept(py, address + used, name + used, piece)) {
            name[0] = '\0';
            return;
        }
        if (memchr(name + used, '\0', piece))
            return;
        used += piece;
    }
    name[63] = '\0';
}

const struct rw_py_type *rw_py_type_at(struct rw_python *py, uint64_t address)
{
    struct rw_py_type *type;
    if (!address)
        return NULL;
    HASH_FIND(hh, py->types, &address, sizeof address, type);
    if (type)
        return type;
    type = talloc_zero(py->scratch, struct rw_py_type);
    if (!type)
        abort();
    type->address = address;
    uint64_t head[2]; /* tp_name, tp_basicsize */
    uint64_t flags_on[23];
    if (!rw_py_read_kept(py, address + py->layout.type.name, head, sizeof head) &&
        !rw_py_read_kept(py, address + py->layout.type.flags, flags_on, sizeof flags_on)) {
        /* From tp_flags the structure is the same in all versions: 11 words to tp_base, 15 to tp_dictoffset,
         * 22 to tp_mro. */
        type->basic_size = head[1] < UINT32_C(1) << 20 ? (uint32_t)head[1] : 0;
        type->flags = flags_on[0];
        type->base = flags_on[11];
        type->dict_offset = (int64_t)flags_on[15];
        type->mro = flags_on[22];
        read_name(py, head[0], type->name);
    }
    HASH_ADD(hh, py->types, address, sizeof type->address, type);
    return type;
}

const struct rw_py_type *rw_py_type_of(struct rw_python *py, uint64_t object)
{
    return rw_py_type_at(py, type_address(py, object));
}

bool rw_py_is(struct rw_python *py, uint64_t object, const char *type_name)
{
    const struct rw_py_type *type = rw_py_type_of(py, object);
    return type && !strcmp(type->name, type_name);
}

bool rw_py_is_kind_of(struct rw_python *py, uint64_t object, const char *type_name)
{
    const struct rw_py_type *type = rw_py_type_of(py, object);
    if (!type || !type->name[0])
        return false;
    if (!strcmp(type->name, type_name))
        return true;
    uint64_t bases[BASES_MAX];
    int64_t count = rw_py_tuple_size(py, type->mro);
    if (count > BASES_MAX)
        count = BASES_MAX;
    if (count <= 0 || rw_py_read_kept(py, type->mro + py->layout.tuple.items, bases, (size_t)count * 8))
        return false;
    for (int64_t i = 1; i < count; i++) { /* the first is the type itself */
        type = rw_py_type_at(py, bases[i]);
        if (type && !strcmp(type->name, type_name))
            return true;
    }
    return false;
}

/* Where the characters are, how many, and how wide; false if it is no str. */
static bool locate(struct rw_python *py, uint64_t object, uint64_t *data, uint64_t *length, unsigned *width)
{
    uint8_t head[128];
    const struct rw_layout *l = &py->layout;
    struct rw_string_state state;
    if (!object || rw_py_read_kept(py, object, head, l->string.ascii) ||
        !rw_string_state(rw_py_field32(head, l->string.state), &state))
        return false;
    const struct rw_py_type *type = rw_py_type_at(py, rw_py_field(head, l->object.type));
    if (!type || !(type->flags & UINT64_C(1) << 28)) /* Py_TPFLAGS_UNICODE_SUBCLASS */
        return false;
    *length = rw_py_field(head, l->string.length);
    *width = state.width;
    *data = object + (state.is_ascii ? l->string.ascii : l->string.compact);
    return true;
}

char *rw_py_string(struct rw_python *py, void *ctx, uint64_t object)
{
    uint64_t data, length;
    unsigned width;
    if (!locate(py, object, &data, &length, &width))
        return NULL;
    if (length > STRING_MAX)
        length = STRING_MAX;
    uint8_t characters[STRING_MAX * 4];
    if (length && rw_py_read_kept(py, data, characters, length * width))
        return NULL;
    return rw_string_utf8(ctx, characters, length, width);
}

bool rw_py_string_equals(struct rw_python *py, uint64_t object, const char *ascii)
{
    uint64_t data, length;
    unsigned width;
    char characters[64];
    size_t wanted = strlen(ascii);
    return wanted <= sizeof characters && locate(py, object, &data, &length, &width) && width == 1 &&
           length == wanted && !rw_py_read_kept(py, data, characters, wanted) &&
           !memcmp(characters, ascii, wanted);
}

bool rw_py_bytes(struct rw_python *py, uint64_t object, struct rw_py_bytes *bytes)
{
    uint64_t size = object ? rw_py_kept_word(py, object + py->layout.object.size) : 0;
    *bytes = (struct rw_py_bytes){0};
    if (!rw_py_is(py, object, "bytes") || size > BYTES_MAX)
        return false;
    bytes->data = talloc_array(py->scratch, uint8_t, size + 1);
    if (!bytes->data)
        abort();
    bytes->size = size;
    /* ob_size and ob_shash come before the bytes. */
    return !size || !rw_py_read_kept(py, object + py->layout.object.size + 16, bytes->data, size);
}

/* Digits of 30 bits. Up to 3.11 their number is ob_size, negative for a negative number; from 3.12 it is
 * lv_tag from its third bit on, and 2 in the low bits stands for negative. */
bool rw_py_integer(struct rw_python *py, uint64_t object, int64_t *value)
{
    const struct rw_py_type *type = rw_py_type_of(py, object);
    struct {
        int64_t tag;
        uint32_t digit[3];
    } in = {0};
    if (!type || !(type->flags & UINT64_C(1) << 24) || /* Py_TPFLAGS_LONG_SUBCLASS */
        rw_py_read_kept(py, object + py->layout.object.size, &in.tag, 12))
        return false;
    bool is_negative = py->layout.minor >= 12 ? (in.tag & 3) == 2 : in.tag < 0;
    uint64_t digits =
        py->layout.minor >= 12 ? (uint64_t)in.tag >> 3 : (uint64_t)(in.tag < 0 ? -in.tag : in.tag);
    if (digits > 3 ||
        (digits > 1 && rw_py_read_kept(py, object + py->layout.object.size + 8, in.digit, digits * 4)))
        return false;
    uint64_t magnitude = 0;
    for (uint64_t i = digits; i-- > 0;)
        magnitude = magnitude << 30 | in.digit[i];
    *value = is_negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

int64_t rw_py_tuple_size(struct rw_python *py, uint64_t object)
{
    if (!rw_py_is(py, object, "tuple"))
        return -1;
    uint64_t size = rw_py_kept_word(py, object + py->layout.object.size);
    return size > BYTES_MAX ? -1 : (int64_t)size;
}

uint64_t rw_py_tuple_item(struct rw_python *py, uint64_t object, int64_t index)
{
    return rw_py_kept_word(py, object + py->layout.tuple.items + (uint64_t)index * 8);
}

/* ob_size, then a pointer to the elements. */
bool rw_py_list_item(struct rw_python *py, uint64_t object, size_t index, uint64_t *item)
{
    uint64_t head[2];
    *item = 0;
    if (!rw_py_is(py, object, "list") ||
        rw_py_read_kept(py, object + py->layout.object.size, head, sizeof head) || index >= head[0])
        return false;
    *item = rw_py_kept_word(py, head[1] + index * 8);
    return *item != 0;
}

/* PySetObject: fill, used, mask, table; entries are {key, hash}. Removed elements leave a key behind whose
 * type is no element's: `object` itself. */
bool rw_py_set(struct rw_python *py, uint64_t object, uint64_t **elements, size_t *count)
{
    uint64_t head[4]; /* fill, used, mask, table */
    *elements = NULL;
    *count = 0;
    if (!rw_py_is(py, object, "set") ||
        rw_py_read_kept(py, object + py->layout.object.size, head, sizeof head) || head[2] >= SET_MAX ||
        head[1] > head[2] + 1)
        return false;
    uint64_t *table = talloc_array(py->scratch, uint64_t, (head[2] + 1) * 2);
    if (!table)
        abort();
    if (rw_py_read_kept(py, head[3], table, (head[2] + 1) * 16)) {
        talloc_free(table);
        return false;
    }
    for (uint64_t i = 0; i <= head[2]; i++)
        if (table[i * 2] && table[i * 2 + 1] != UINT64_MAX) /* a dummy's hash is -1 */
            table[(*count)++] = table[i * 2];
    *elements = table;
    return true;
}

uint64_t rw_py_module_dict(struct rw_python *py, const struct rw_py_interpreter *in, const char *name)
{
    uint64_t modules = rw_py_kept_word(py, in->address + py->layout.interpreter.modules);
    uint64_t module = rw_py_dict_get(py, modules, name);
    return rw_py_is(py, module, "module") ? rw_py_kept_word(py, module + py->layout.object.size)
                                          : 0; /* md_dict */
}

/* m_self of a built-in method and im_self of a bound one are in the same place: behind one other pointer. */
uint64_t rw_py_bound_self(struct rw_python *py, uint64_t object)
{
    const struct rw_py_type *type = rw_py_type_of(py, object);
    if (!type || (strcmp(type->name, "builtin_function_or_method") && strcmp(type->name, "method")))
        return 0;
    return rw_py_kept_word(py, object + py->layout.object.size + 8);
}

bool rw_py_bound_name_is(struct rw_python *py, uint64_t object, const char *name)
{
    uint64_t first = rw_py_kept_word(py, object + py->layout.object.size);
    uint32_t func_name = py->layout.minor >= 10 ? 16 : 48;
    if (rw_py_is(py, object, "method"))
        return rw_py_string_equals(py, rw_py_kept_word(py, first + py->layout.object.size + func_name), name);
    char text[64] = "";
    if (!rw_py_is(py, object, "builtin_function_or_method"))
        return false;
    read_name(py, rw_py_kept_word(py, first), text); /* ml_name */
    return !strcmp(text, name);
}
