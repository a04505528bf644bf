/* SPDX-License-Identifier: MIT */
/*
 * Sees the life of Python's interpreters: when one is made and destroyed, by which thread, and when the
 * runtime is finalised. docs/interpreter-hooks.md says what is hooked in which build of Python, how, and what
 * is not seen.
 *
 * Everything here may be called where there is no Python at all, and costs one failed symbol lookup then.
 */
#ifndef RACEWATCH_SHIM_PYTHON_HOOKS_H
#define RACEWATCH_SHIM_PYTHON_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/recording.h"

/*
 * Patches the functions' entries. Call once, at the end of the constructor, when the recording is there and
 * the process has one thread only: code is rewritten that no other thread may be running. What could not be
 * hooked is said in rw_header.hooks and as a problem; nothing is left half done.
 */
void rw_python_hooks_install(void);

/*
 * The interpreter that the creator of a thread is attached to, and its id. Stores 0 and UINT64_MAX where
 * there is none or where it is not known: without Python, in a thread that holds no thread state, once
 * finalisation has begun. Up to Python 3.11 a thread in a subinterpreter is recognised only if
 * `return_address` (of pthread_create) shows that Python itself makes the thread. Any thread, not in signal
 * handlers; takes no lock and allocates nothing.
 */
void rw_python_creator_interpreter(const void *return_address, uint64_t *interpreter, uint64_t *id);

/* Whether there is a Python here; whether the calling thread is attached to an interpreter, and so holds its
 * GIL, as far as that can be told (see rw_python_current in python_api.h); and whether a call came from
 * CPython's own code. As above. */
bool rw_python_is_there(void);
bool rw_python_is_attached(void);

/* Where that code is; 0, 0 where there is none. Stored once. */
extern uintptr_t rw_python_code_begin __attribute__((visibility("hidden")));
extern uintptr_t rw_python_code_size __attribute__((visibility("hidden")));

static inline bool rw_python_is_caller(const void *return_address)
{
    return (uintptr_t)return_address - __atomic_load_n(&rw_python_code_begin, __ATOMIC_RELAXED) <
           __atomic_load_n(&rw_python_code_size, __ATOMIC_RELAXED);
}

/*
 * The innermost Python frames of the calling thread, `max` of them at most; returns how many. `has_gil`: it
 * is known to hold the GIL. 0 where there is no Python, or where its frames are not to be had. Any thread,
 * not in signal handlers; as a name is read character by character it takes microseconds.
 */
uint32_t rw_python_frames(bool has_gil, struct rw_lock_frame *frames, uint32_t max);

/* The calling thread, which holds the GIL and waits with a condition, does so in threading.Barrier.wait() for
 * the others to come. As slow as rw_python_frames(). */
bool rw_python_waits_in_barrier(void);

/* The calling thread makes a thread, as it was asked to at `return_address`: its lines of Python code are
 * seen as well (python_lines.h). */
void rw_python_lines_thread_comes(const void *return_address);

/* Gives up the GIL of a thread that is attached, and takes it back. NULL where that cannot be done, with
 * which taking back does nothing. */
void *rw_python_give_up(void);
void rw_python_take_back(void *given_up);

/*
 * exit() begins in the calling thread. A finalisation that Py_Exit began is over then: in 3.13 it calls
 * nothing that could be hooked and that returns.
 */
void rw_python_exit_begins(void);

#endif
