/* SPDX-License-Identifier: MIT */
/* Code objects: read once, kept for the look, by address. Internal to tools/cpython/. */
#ifndef RACEWATCH_TOOLS_CPYTHON_CODE_H
#define RACEWATCH_TOOLS_CPYTHON_CODE_H

#include <uthash.h>

#include "tools/cpython/python.h"

struct rw_py_code {
    uint64_t address;
    bool is_code;         /* false: no code object was at this address; all else is 0 */
    bool is_hidden;       /* not the program's: Python does not show its frames */
    const char *file;     /* belongs to the incident, as do the names */
    const char *name;     /* qualified where the version has it */
    const char *function; /* not qualified */
    int first_line;
    int64_t size; /* of its instructions, in bytes */
    uint32_t flags;
    uint32_t stack_size;
    uint32_t local_count;    /* slots before the value stack: locals, cells and free variables */
    uint64_t local_names[3]; /* tuples of their names, in the order of the slots */
    uint64_t instructions;   /* address of the first one, from 3.11 */
    uint64_t tlbc;           /* threads' copies of the instructions, 0 if none */
    uint64_t bytecode;       /* bytes object, up to 3.10 */
    uint64_t exceptions;     /* bytes object, from 3.11 */
    struct rw_py_bytes lines;
    UT_hash_handle hh;
};

/* Never NULL. */
const struct rw_py_code *rw_py_code_at(struct rw_python *py, uint64_t address);
/* NULL unless it was read already. */
const struct rw_py_code *rw_py_code_known(struct rw_python *py, uint64_t address);

/* The offset, in bytes, of the instruction that a frame is at; negative before the first one, INT32_MIN where
 * it makes no sense. frame->code is set. */
int32_t rw_py_instruction_offset(struct rw_python *py, const struct rw_py_frame *frame);

int rw_py_code_line(struct rw_python *py, const struct rw_py_code *code, int32_t at);

/* Base name of its file: "threading.py", "<frozen importlib._bootstrap>"; "" if not known. */
const char *rw_py_code_base(const struct rw_py_code *code);
/* Whether its file is one of asyncio's. */
bool rw_py_is_asyncio(const struct rw_py_code *code);

#endif
