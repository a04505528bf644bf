/* SPDX-License-Identifier: MIT */
/*
 * What stands in for the hooked functions of CPython: each records, calls the original, and records again.
 * Internal to the interpreter hooks.
 *
 * They run in the program's calls, on its stack, in any thread, with or without the GIL as the function's own
 * rules have it. A call may be left by longjmp, pthread_exit or abort: what was begun then stays open in the
 * recording, which is what happened.
 */
#ifndef RACEWATCH_SHIM_PYTHON_CALLS_H
#define RACEWATCH_SHIM_PYTHON_CALLS_H

#include "shim/recording.h"

struct rw_python_call {
    const char *name;
    const void *replacement;
};

/* A row for each enum rw_hook. */
extern const struct rw_python_call rw_python_calls[RW_HOOK_COUNT];

/* The functions as they were; set before the replacement can be called. */
extern void *rw_python_originals[RW_HOOK_COUNT];

/* Records that the main interpreter exists, if `id` is its (0), and unless it is being finalised. */
void rw_python_note_main(void *interpreter, uint64_t id);

#endif
