/* SPDX-License-Identifier: MIT */
/*
 * Dicts and the attributes of instances.
 *
 * Keys. Up to 3.10: refcnt, size, lookup, usable, nentries, indices (Objects/dict-common.h); from 3.11
 * log2_size, log2_index_bytes and kind are bytes 8 to 10 (Include/internal/pycore_dict.h). Entries follow the
 * indices: hash, key and value, or from 3.11 for keys that are all strings key and value.
 *
 * Values. A dict with ma_values shares its keys with other instances of the class. From 3.11 an instance has
 * its values without a dict as long as nobody asks for its __dict__: in 3.11 behind a pointer 4 words before
 * the object, in 3.12 behind the tagged word 3 before it, from 3.13 behind the object itself; a dict, when
 * there is one, is 3 words before the object (1 in free-threaded builds).
 */
#include "tools/cpython/object.h"

#include <errno.h>
#include <stdlib.h>

#include <talloc.h>

#define ENTRIES_MAX 65536u
#define MANAGED_DICT (UINT64_C(1) << 4)  /* Py_TPFLAGS_MANAGED_DICT, from 3.11 */
#define INLINE_VALUES (UINT64_C(1) << 2) /* Py_TPFLAGS_INLINE_VALUES, from 3.13 */

struct keys {
    uint64_t entries; /* address */
    uint64_t count;
    unsigned stride; /* bytes of an entry */
    unsigned key_at;
};

static bool read_keys(struct rw_python *py, uint64_t address, struct keys *keys)
{
    uint64_t head[5];
    if (!address || rw_py_read_kept(py, address, head, sizeof head))
        return false;
    if (py->layout.minor <= 10) {
        uint64_t size = head[1];
        unsigned width = size <= 0xff ? 1 : size <= 0xffff ? 2 : size <= 0xffffffff ? 4 : 8;
        if (size > ENTRIES_MAX * 4)
            return false;
        *keys = (struct keys){
            .entries = address + 40 + size * width, .count = head[4], .stride = 24, .key_at = 8};
    } else {
        unsigned log2_index_bytes = head[1] >> 8 & 0xff, kind = head[1] >> 16 & 0xff;
        if (log2_index_bytes > 24 || kind > 2)
            return false;
        *keys = (struct keys){.entries = address + 32 + (UINT64_C(1) << log2_index_bytes),
                              .count = head[3],
                              .stride = kind ? 16 : 24,
                              .key_at = kind ? 0 : 8};
    }
    return keys->count <= ENTRIES_MAX;
}

/* Entries with their own values, or with those in the array at `values`, of which there are at most
 * `capacity`. */
static int read_pairs(struct rw_python *py, const struct keys *keys, uint64_t values, uint64_t capacity,
                      struct rw_py_pair **pairs, size_t *count)
{
    uint64_t n = values && capacity < keys->count ? capacity : keys->count;
    *count = 0;
    *pairs = talloc_array(py->scratch, struct rw_py_pair, n + 1);
    uint8_t *entries = talloc_array(py->scratch, uint8_t, n * keys->stride + 1);
    uint64_t *apart = talloc_array(py->scratch, uint64_t, n + 1);
    if (!*pairs || !entries || !apart)
        abort();
    if (n && rw_py_read_kept(py, keys->entries, entries, n * keys->stride))
        return -EFAULT;
    if (n && values && rw_py_read_kept(py, values, apart, n * sizeof *apart))
        return -EFAULT;
    for (uint64_t i = 0; i < n; i++) {
        const uint8_t *entry = entries + i * keys->stride;
        struct rw_py_pair pair = {rw_py_field(entry, keys->key_at), rw_py_field(entry, keys->key_at + 8)};
        if (values)
            pair.value = apart[i];
        if (pair.key && pair.value)
            (*pairs)[(*count)++] = pair;
    }
    talloc_free(entries);
    talloc_free(apart);
    return 0;
}

/* A PyDictValues from 3.13 begins with its capacity in 8 bytes. */
static uint64_t values_begin(const struct rw_python *py, uint64_t values)
{
    return values && py->layout.minor >= 13 ? values + 8 : values;
}

int rw_py_dict(struct rw_python *py, uint64_t dict, struct rw_py_pair **pairs, size_t *count)
{
    struct keys keys;
    *pairs = NULL;
    *count = 0;
    const struct rw_py_type *type = rw_py_type_of(py, dict);
    if (!type || !(type->flags & UINT64_C(1) << 29) || /* Py_TPFLAGS_DICT_SUBCLASS */
        !read_keys(py, rw_py_kept_word(py, dict + py->layout.dict.keys), &keys))
        return -EBADMSG;
    uint64_t values = values_begin(py, rw_py_kept_word(py, dict + py->layout.dict.values));
    return read_pairs(py, &keys, values, ENTRIES_MAX, pairs, count);
}

static int inline_attributes(struct rw_python *py, const struct rw_py_type *type, uint64_t values,
                             struct rw_py_pair **pairs, size_t *count)
{
    struct keys keys;
    uint64_t capacity = 30; /* SHARED_KEYS_MAX_SIZE: the most that instances share */
    if (py->layout.minor >= 13)
        capacity = rw_py_kept_word(py, values) & 0xff;
    if (!read_keys(py, rw_py_kept_word(py, type->address + py->layout.type.cached_keys), &keys))
        return -EBADMSG;
    return read_pairs(py, &keys, values_begin(py, values), capacity, pairs, count);
}

int rw_py_attributes(struct rw_python *py, uint64_t object, struct rw_py_pair **pairs, size_t *count)
{
    const struct rw_py_type *type = rw_py_type_of(py, object);
    unsigned minor = py->layout.minor;
    *pairs = NULL;
    *count = 0;
    if (!type || !type->name[0])
        return -EBADMSG;
    if (minor < 11 || !(type->flags & MANAGED_DICT)) {
        if (type->dict_offset <= 0 || type->dict_offset > 4096)
            return -ENOENT;
        return rw_py_dict(py, rw_py_kept_word(py, object + (uint64_t)type->dict_offset), pairs, count);
    }
    uint64_t dict = rw_py_kept_word(py, object - (py->layout.is_free_threaded ? 8 : 24));
    if (minor == 12 && dict & 1)
        return inline_attributes(py, type, dict + 1, pairs, count);
    if (dict)
        return rw_py_dict(py, dict, pairs, count);
    if (minor == 11)
        return inline_attributes(py, type, rw_py_kept_word(py, object - 32), pairs, count);
    if (minor >= 13 && type->flags & INLINE_VALUES)
        return inline_attributes(py, type, object + type->basic_size, pairs, count);
    return -ENOENT;
}

/* A member descriptor in the dict of the class: type, name and qualname, then the PyMemberDef {name, type,
 * offset}. */
uint64_t rw_py_slot_attribute(struct rw_python *py, uint64_t object, const char *name)
{
    const struct rw_py_type *type = rw_py_type_of(py, object);
    /* tp_dict comes 12 words behind tp_flags */
    uint64_t dict =
        type && type->name[0] ? rw_py_kept_word(py, type->address + py->layout.type.flags + 96) : 0;
    uint64_t descriptor = rw_py_dict_get(py, dict, name);
    if (!rw_py_is(py, descriptor, "member_descriptor"))
        return 0;
    uint64_t offset = rw_py_kept_word(py, rw_py_kept_word(py, descriptor + py->layout.object.size + 24) + 16);
    return offset && offset < type->basic_size ? rw_py_kept_word(py, object + offset) : 0;
}

uint64_t rw_py_find(struct rw_python *py, const struct rw_py_pair *pairs, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (rw_py_string_equals(py, pairs[i].key, name))
            return pairs[i].value;
    return 0;
}

uint64_t rw_py_dict_get(struct rw_python *py, uint64_t dict, const char *name)
{
    struct rw_py_pair *pairs;
    size_t count;
    rw_py_dict(py, dict, &pairs, &count);
    uint64_t value = rw_py_find(py, pairs, count, name);
    talloc_free(pairs);
    return value;
}

uint64_t rw_py_attribute(struct rw_python *py, uint64_t object, const char *name)
{
    struct rw_py_pair *pairs;
    size_t count;
    rw_py_attributes(py, object, &pairs, &count);
    uint64_t value = rw_py_find(py, pairs, count, name);
    talloc_free(pairs);
    return value;
}
