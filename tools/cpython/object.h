/* SPDX-License-Identifier: MIT */
/*
 * Python objects as they lie in memory. Internal to tools/cpython/. Every function returns 0, false or NULL
 * where the object is not what it was asked to be, or could not be read. Allocations are under `ctx`, or
 * under py->scratch.
 */
#ifndef RACEWATCH_TOOLS_CPYTHON_OBJECT_H
#define RACEWATCH_TOOLS_CPYTHON_OBJECT_H

#include <uthash.h>

#include "tools/cpython/python.h"

struct rw_py_type {
    uint64_t address;
    char name[64]; /* tp_name: with the module for built-in types, "" if it could not be read */
    uint32_t basic_size;
    uint64_t flags;
    uint64_t base;
    int64_t dict_offset;
    uint64_t mro; /* a tuple */
    UT_hash_handle hh;
};

const struct rw_py_type *rw_py_type_at(struct rw_python *py, uint64_t type);
const struct rw_py_type *rw_py_type_of(struct rw_python *py, uint64_t object);
bool rw_py_is(struct rw_python *py, uint64_t object, const char *type_name);
/* Whether the object's type or one of its bases has this name. */
bool rw_py_is_kind_of(struct rw_python *py, uint64_t object, const char *type_name);

/* A str as UTF-8; longer ones than 4096 characters are cut. */
char *rw_py_string(struct rw_python *py, void *ctx, uint64_t object);
bool rw_py_string_equals(struct rw_python *py, uint64_t object, const char *ascii);
bool rw_py_bytes(struct rw_python *py, uint64_t object, struct rw_py_bytes *bytes);
/* An int of at most 64 bits. */
bool rw_py_integer(struct rw_python *py, uint64_t object, int64_t *value);
/* Number of elements of a tuple, -1 if it is none; and one of them. */
int64_t rw_py_tuple_size(struct rw_python *py, uint64_t object);
uint64_t rw_py_tuple_item(struct rw_python *py, uint64_t object, int64_t index);
/* Element `index` of a list; false if it is none, or has no such element. */
bool rw_py_list_item(struct rw_python *py, uint64_t object, size_t index, uint64_t *item);
/* The elements of a set, in no order; a talloc array under scratch. False if it is none, or too large. */
bool rw_py_set(struct rw_python *py, uint64_t object, uint64_t **elements, size_t *count);

struct rw_py_pair {
    uint64_t key, value;
};
/* All of a dict's items, in the order of insertion; a talloc array under scratch. */
int rw_py_dict(struct rw_python *py, uint64_t dict, struct rw_py_pair **pairs, size_t *count);
/* All of an instance's own attributes, wherever its version keeps them. */
int rw_py_attributes(struct rw_python *py, uint64_t object, struct rw_py_pair **pairs, size_t *count);
/* What an instance has in a slot of its class (__slots__). */
uint64_t rw_py_slot_attribute(struct rw_python *py, uint64_t object, const char *name);
uint64_t rw_py_find(struct rw_python *py, const struct rw_py_pair *pairs, size_t count, const char *name);
uint64_t rw_py_dict_get(struct rw_python *py, uint64_t dict, const char *name);
uint64_t rw_py_attribute(struct rw_python *py, uint64_t object, const char *name);
/* The __dict__ of a module of that name in an interpreter; 0 if it was not imported. */
uint64_t rw_py_module_dict(struct rw_python *py, const struct rw_py_interpreter *in, const char *name);
/* What a bound method or a built-in method is bound to, 0 if the object is neither; its name under ctx. */
uint64_t rw_py_bound_self(struct rw_python *py, uint64_t object);
bool rw_py_bound_name_is(struct rw_python *py, uint64_t object, const char *name);

#endif
