/* SPDX-License-Identifier: MIT */
/*
 * Where in Python code the calling thread is: the code object and the instruction of its innermost frame,
 * which the reader makes a line of. Internal to the interpreter hooks.
 *
 * A frame is reached through undocumented fields. Where they lie is a table up to 3.12 and what _PyRuntime
 * itself says from 3.13 on; either is a claim, and the first frame is read by way of the kernel, which
 * answers a wrong address with an error: only if a code object is found there are the same words read
 * directly from then on.
 */
#ifndef RACEWATCH_SHIM_PYTHON_PLACE_H
#define RACEWATCH_SHIM_PYTHON_PLACE_H

#include <stdint.h>

#include "shim/elf_module.h"

/* Offsets in bytes: of the frame in the thread state (3.11 and 3.12: of the cframe, and of the frame in
 * that), of a frame's and a code object's members. Up to 3.10 the instruction is an int. */
struct rw_python_fields {
    uint32_t minor;
    uint32_t state_frame, cframe_frame, frame_code, frame_instruction, frame_previous;
    uint32_t code_filename, code_name, code_instructions; /* from 3.11 the qualified name */
    uint32_t object_type;                                 /* of ob_type: 8, free-threaded 24 */
    uintptr_t code_type;                                  /* &PyCode_Type */
};

/* NULL: not known. */
const struct rw_python_fields *rw_python_fields(void);

/* The word there, by way of the kernel: 0 where there is nothing to be read. */
uintptr_t rw_python_read_carefully(uintptr_t address);

struct rw_python_place {
    uint64_t code;        /* 0: not known */
    uint64_t instruction; /* as struct rw_lock has it */
};

/* Finds out which Python `module` defines. In the constructor, or before Python runs. */
void rw_python_place_load(const struct rw_elf_module *module);

/* In a thread that holds the GIL or, where there is none, is attached. Changes no errno. */
struct rw_python_place rw_python_place(void);

/* A number that tells in which function it is, called by which: a condition's `with` is the same function of
 * threading's for all who use it. 0: not known. As above. */
uint64_t rw_python_functions(void);

#endif
