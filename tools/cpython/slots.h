/* SPDX-License-Identifier: MIT */
/* What a frame holds: its locals and its value stack. Internal to tools/cpython/. */
#ifndef RACEWATCH_TOOLS_CPYTHON_SLOTS_H
#define RACEWATCH_TOOLS_CPYTHON_SLOTS_H

#include "tools/cpython/code.h"
#include "tools/cpython/python.h"

struct rw_py_slots {
    const uint64_t *values; /* objects, 0 where empty */
    size_t local_count;     /* the value stack begins here */
    size_t count; /* all of it, also what was popped: such a slot holds what was there before, or anything */
};

/* Copies from the process; false where it cannot. */
typedef bool rw_py_copy(void *from, uint64_t address, void *buffer, size_t size);

/* Reads a frame's locals, cells and value stack, and up to 3.10 its block stack, with the rest of the frame:
 * so they and its instruction belong together. Nothing is read where its code is not known: that says how
 * many there are. */
void rw_py_fill_slots(struct rw_python *py, struct rw_py_frame *frame, rw_py_copy *copy, void *from);

/* Nothing where they could not be read. */
struct rw_py_slots rw_py_slots(const struct rw_py_frame *frame);

/* The name of local number `index`, a str object; 0 if it has none. */
uint64_t rw_py_local_name(struct rw_python *py, const struct rw_py_code *code, size_t index);

/* A local by its name, also where a closure shares it; 0 if unset or unknown. */
uint64_t rw_py_local(struct rw_python *py, const struct rw_py_frame *frame, const char *name);

/* A local's object: what a cell holds, where it is one. */
uint64_t rw_py_uncell(struct rw_python *py, uint64_t value);

#endif
