/* SPDX-License-Identifier: MIT */
/*
 * The recorder: how the shim's own code writes into the recording. In the target only.
 *
 * All functions may be called by any thread at any time, also from a signal handler, also before the
 * constructor ran, in a fork child, and when there is no recording: they then do nothing. None of them
 * allocates, blocks, prints or changes errno. A call that interrupts another one in the same thread (from a
 * signal handler) is dropped. A thread that has no slot yet is given one. In a fork child that has no
 * recording of its own yet the first call begins one.
 *
 * Return addresses are those of the wrapped call: __builtin_return_address(0) in the wrapper.
 * Times are taken inside, in ns of CLOCK_MONOTONIC.
 */
#ifndef RACEWATCH_SHIM_RECORDER_H
#define RACEWATCH_SHIM_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/recording.h"

/* True if this process is being recorded. Cheap. */
bool rw_recorder_is_on(void);

/* Now, in ns of CLOCK_MONOTONIC, by libc's own clock whatever else is preloaded. */
uint64_t rw_recorder_now(void);

/* Milliseconds since the recording began, by the coarse clock: for what happens often. */
uint32_t rw_recorder_since_ms(void);

/* Appends a lifecycle event to the current thread's ring. Not for RW_EVENT_WAIT. */
void rw_record_event(enum rw_event_kind kind, uint64_t object, uint64_t arg, const void *return_address);

/* Enters and leaves a call that makes, destroys or finalises an interpreter. `outer` is the caller's storage
 * (on its stack, until the end) for the call that this one is nested in. Writes rw_slot.interpreter_call
 * only: events, milestones and the interpreter table are the caller's to record. A call that never returns
 * may leave out the end. */
void rw_interpreter_call_begin(struct rw_interpreter_call *outer, enum rw_interpreter_op op,
                               uint64_t interpreter, uint64_t interpreter_id, const void *return_address);
void rw_interpreter_call_end(const struct rw_interpreter_call *outer);

/* Sets the state of the interpreter at `address` (not 0) in the interpreter table, with its time and the
 * current thread as its creator (CREATING, ALIVE when it is new to the table) or destroyer (DESTROYING,
 * DESTROYED). The entry is found by address; one that was DESTROYED is used again only for an interpreter
 * that is made anew. A new one takes a free entry, else the one destroyed longest ago, else
 * is dropped, which is a problem that is recorded once. `id`
 * UINT64_MAX: not known; an id that is known is kept. */
void rw_record_interpreter(enum rw_interpreter_state state, uint64_t address, uint64_t id);

/* So many entries of that table, the first ones, were ever used, by this process or those that it was forked
 * from. */
uint32_t rw_interpreter_count(void);

/* The calling thread is about to destroy the interpreter; where another one is at it already, that is a
 * misuse, which this writes down. Before rw_record_interpreter() says so. */
void rw_check_interpreter_destroyed(uint64_t address, uint64_t id, const void *return_address);

/* The calling thread has destroyed the interpreter, unless the program ends; where threads are left that
 * Python made in it, that is a misuse for each, which this writes down, and what becomes of the thread
 * settles. */
void rw_check_interpreter_outlived(uint64_t address, uint64_t id, const void *return_address);

/* Milestones of the process, in rw_header. The first one of a kind stays, but for RW_MILESTONE_EXEC. */
enum rw_milestone {
    RW_MILESTONE_MAIN_RETURNED = 0,
    RW_MILESTONE_EXIT_BEGIN,
    RW_MILESTONE_FINALIZE_BEGIN,
    RW_MILESTONE_FINALIZE_END,
};
void rw_record_milestone(enum rw_milestone milestone);

/* Notes something that the shim could not do, for people. Both texts are copied and cut; `detail` may be
 * NULL. `error` is an errno or 0. */
void rw_record_problem(int error, const char *what, const char *detail);

/* Notes how calls of one interpreter function are seen. Inherited by fork children. */
void rw_record_hook(enum rw_hook hook, enum rw_hook_way way);

#endif
