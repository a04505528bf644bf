/* SPDX-License-Identifier: MIT */
/*
 * Asks Python, by its own exported functions, which interpreter a thread is in. In the target only, any
 * thread, not in signal handlers; nothing here allocates, blocks or changes errno.
 */
#ifndef RACEWATCH_SHIM_PYTHON_API_H
#define RACEWATCH_SHIM_PYTHON_API_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/elf_module.h"

#define RW_INTERPRETER_ID_UNKNOWN UINT64_MAX

/* What the hooks need of CPython's objects. PyThreadState begins with prev, next, interp in 3.6 to 3.15. */
struct rw_python_thread_state {
    void *previous, *next;
    void *interpreter; /* PyInterpreterState */
};

/* Looks up what is asked below in the module that defines Python. */
void rw_python_api_load(const struct rw_elf_module *module);

/* Whether the runtime is up: after Py_Initialize, before the end of Py_FinalizeEx. */
bool rw_python_is_initialized(void);

/* The id of an interpreter that exists and cannot go away meanwhile; RW_INTERPRETER_ID_UNKNOWN where it
 * cannot be had. */
uint64_t rw_python_interpreter_id(void *interpreter);

/* Gives the GIL up for the time of a delay, and takes it again; only where the calling thread is attached and
 * may be switched away from. detach() returns NULL where that cannot be done: attach() then does nothing. */
void *rw_python_detach(void);
void rw_python_attach(void *state);

/* The thread state of a thread that holds the GIL, or is attached where there is none: of one, that is, that
 * runs Python's code. NULL where Python has no function to ask for it. */
void *rw_python_attached(void);

/* The thread state that the calling thread is registered with, attached or not: that of the main interpreter.
 * NULL where there is none. It may be gone by now where the interpreter is being finalised. */
void *rw_python_registered(void);

/* Whether the answer of rw_python_attached() is of the calling thread: from 3.12 on. Up to 3.11 it is only in
 * a thread that has the GIL. */
bool rw_python_attached_is_own(void);

/* Of a code object, the line of a byte of its instructions; 0 where it is not known. Of a str: its length, -1
 * where it cannot be told, and its characters. Of a tuple: its length, and an item. They only read: the
 * object must be one, and alive; also without the GIL. */
int rw_python_line(void *code, int offset);
uintptr_t rw_python_text_type(void); /* &PyUnicode_Type, 0 if it is not known */
int64_t rw_python_text_length(void *text);
uint32_t rw_python_text_character(void *text, int64_t index);
int64_t rw_python_tuple_length(void *tuple);
void *rw_python_tuple_item(void *tuple, int64_t index);

/*
 * The thread state that the calling thread is attached to, NULL where it is attached to none or where that
 * cannot be told. `caller` is the return address of a wrapped call, or 0.
 *
 * From 3.12 the current thread state is thread-local, and the answer exact. Up to 3.11 there is one for the
 * process, that of the thread that holds the GIL: it is ours if it is the one that this thread is registered
 * with, or if the call came from PyThread_start_new_thread, which is called with the GIL held. Else nobody
 * knows, and it is NULL: a thread that gave the GIL up must not be taken for the one that has it.
 */
struct rw_python_thread_state *rw_python_current(uintptr_t caller);

#endif
