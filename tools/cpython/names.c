/* SPDX-License-Identifier: MIT */
#include "tools/cpython/names.h"

#include <talloc.h>

#include "tools/cpython/object.h"
#include "tools/cpython/slots.h"

#define HOLDERS_MAX 256 /* globals whose attributes are looked at */
#define ELEMENTS_MAX 256
#define BASES_MAX 8

static const char *key_of(struct rw_python *py, const struct rw_py_pair *pairs, size_t count, uint64_t object)
{
    for (size_t i = 0; i < count; i++)
        if (pairs[i].value == object)
            return rw_py_string(py, py->incident, pairs[i].key);
    return NULL;
}

/* Types of the program's own have no module in tp_name; the built-in ones that have a dot in it hold no
 * locks. */
static bool may_have_attributes(const struct rw_py_type *type)
{
    static const char *const never[] = {"str",    "int",  "type",  "function",
                                        "module", "dict", "bytes", "NoneType"};
    if (!type || !type->name[0] || strchr(type->name, '.'))
        return false;
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        if (!strcmp(type->name, never[i]))
            return false;
    return true;
}

static const char *attribute_of(struct rw_python *py, uint64_t holder, uint64_t object)
{
    const struct rw_py_type *type = rw_py_type_of(py, holder);
    struct rw_py_pair *pairs;
    size_t count;
    if (!may_have_attributes(type))
        return NULL;
    rw_py_attributes(py, holder, &pairs, &count);
    const char *name = key_of(py, pairs, count, object);
    talloc_free(pairs);
    for (int i = 0; !name && may_have_attributes(type) && i < BASES_MAX; i++) {
        /* tp_dict comes 12 words behind tp_flags: attributes of the class */
        rw_py_dict(py, rw_py_kept_word(py, type->address + py->layout.type.flags + 96), &pairs, &count);
        name = key_of(py, pairs, count, object);
        talloc_free(pairs);
        type = rw_py_type_at(py, type->base);
    }
    return name;
}

/* "[1]" or "['key']" for an element of a list, tuple or dict. */
static const char *element_of(struct rw_python *py, uint64_t holder, uint64_t object)
{
    struct rw_py_pair *pairs;
    size_t count;
    if (rw_py_is(py, holder, "dict")) {
        rw_py_dict(py, holder, &pairs, &count);
        const char *key = key_of(py, pairs, count, object);
        talloc_free(pairs);
        return key ? talloc_asprintf(py->incident, "['%s']", key) : NULL;
    }
    bool is_list = rw_py_is(py, holder, "list");
    if (!is_list && !rw_py_is(py, holder, "tuple"))
        return NULL;
    uint64_t size = rw_py_kept_word(py, holder + py->layout.object.size), items[ELEMENTS_MAX];
    uint64_t begin =
        is_list ? rw_py_kept_word(py, holder + py->layout.object.size + 8) : holder + py->layout.tuple.items;
    if (size > ELEMENTS_MAX)
        size = ELEMENTS_MAX;
    if (!size || rw_py_read_kept(py, begin, items, size * 8))
        return NULL;
    for (uint64_t i = 0; i < size; i++)
        if (items[i] == object)
            return talloc_asprintf(py->incident, "[%u]", (unsigned)i);
    return NULL;
}

/* What stands behind the holder's name: "", ".attribute", "[element]"; NULL if the object is not there. */
static const char *suffix(struct rw_python *py, uint64_t holder, uint64_t object, bool deep)
{
    if (holder == object)
        return "";
    if (!deep)
        return NULL;
    const char *attribute = attribute_of(py, holder, object);
    if (attribute)
        return talloc_asprintf(py->incident, ".%s", attribute);
    return element_of(py, holder, object);
}

static const char *in_locals(struct rw_python *py, const struct rw_py_frame *frame, uint64_t object,
                             bool deep)
{
    struct rw_py_slots slots = rw_py_slots(frame);
    const char *found = NULL;
    for (size_t i = 0; i < slots.local_count && !found; i++) {
        const char *behind =
            slots.values[i] ? suffix(py, rw_py_uncell(py, slots.values[i]), object, deep) : NULL;
        const char *name =
            behind ? rw_py_string(py, py->incident, rw_py_local_name(py, frame->code, i)) : NULL;
        if (name)
            found = talloc_asprintf(py->incident, "%s%s", name, behind);
    }
    return found;
}

static const char *in_globals(struct rw_python *py, const struct rw_py_frame *frame, uint64_t object,
                              bool deep)
{
    struct rw_py_pair *pairs;
    size_t count, holders = 0;
    const char *found = NULL;
    rw_py_dict(py, frame->globals, &pairs, &count);
    for (size_t i = 0; i < count && !found && holders < HOLDERS_MAX; i++) {
        const char *behind = suffix(py, pairs[i].value, object, deep);
        const char *name = behind ? rw_py_string(py, py->incident, pairs[i].key) : NULL;
        holders += deep;
        if (name)
            found = talloc_asprintf(py->incident, "%s%s", name, behind);
    }
    talloc_free(pairs);
    return found;
}

const char *rw_py_name(struct rw_python *py, const struct rw_py_frame *frame, uint64_t object)
{
    const char *name = in_locals(py, frame, object, false);
    if (!name)
        name = in_globals(py, frame, object, false);
    if (!name)
        name = in_locals(py, frame, object, true);
    if (!name)
        name = in_globals(py, frame, object, true);
    return name;
}
