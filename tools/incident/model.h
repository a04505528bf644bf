/* SPDX-License-Identifier: MIT */
/*
 * Building an incident: the functions that make its parts and grow its arrays.
 *
 * Every function that allocates takes the incident first: all memory belongs to it, and one talloc_free of
 * it frees everything. What is added starts out zeroed, with -1 in each number for which incident.h says
 * that -1 means "not known".
 *
 * Pointers. A pointer to a process, thread or interpreter is valid until the next one of its sort is added:
 * arrays move as they grow, and the main thread always goes to the front. Strings inside a structure that
 * is passed in are not copied: they must be the incident's own (talloc_strdup(incident, ..)) or literals.
 *
 * Errors. None is returned. A request for memory that fails ends the program with abort(): an incident with
 * holes that nobody knows of would name the wrong culprit, and the recordings are still there to start from.
 *
 * Single-threaded use, in racewatch only, never in the watched program.
 */
#ifndef RACEWATCH_TOOLS_INCIDENT_MODEL_H
#define RACEWATCH_TOOLS_INCIDENT_MODEL_H

#include <stdarg.h>

#include "tools/incident/incident.h"

/* A new incident; schema is set. The caller frees it, or leaves that to `talloc_parent`, which may be NULL.
 */
struct rw_incident *rw_incident_new(void *talloc_parent);

struct rw_process_info *rw_incident_add_process(struct rw_incident *incident, int pid);
struct rw_process_info *rw_incident_find_process(const struct rw_incident *incident, int pid); /* or NULL */

/* The thread with this tid, added if there is none. tid 0 (recorded, never ran) always adds. The thread
 * whose tid is the process's pid is its main thread and goes to the front. */
struct rw_thread *rw_process_thread(struct rw_incident *incident, struct rw_process_info *process, int tid);
struct rw_thread *rw_process_find_thread(const struct rw_process_info *process, int tid); /* or NULL */
/* The same by the TID that the process itself knows the thread by: what it keeps in its memory. */
struct rw_thread *rw_process_find_own_thread(const struct rw_process_info *process, int own_tid);
/* Whether the process is in another PID namespace than racewatch. */
bool rw_process_is_elsewhere(const struct rw_process_info *process);

/* A new task; pointer valid until the next add. */
struct rw_task *rw_process_add_task(struct rw_incident *incident, struct rw_process_info *process);

/* A child that ended badly; pointer valid until the next add. */
struct rw_failed_child *rw_process_add_failed_child(struct rw_incident *incident,
                                                    struct rw_process_info *process);

/* Adds a signal that waits for its Python handler; `tid` as in struct rw_pending_signal. */
void rw_process_add_pending_signal(struct rw_incident *incident, struct rw_process_info *process, int number,
                                   int tid);

/* A new misuse; pointer valid until the next add. */
struct rw_misuse_info *rw_process_add_misuse(struct rw_incident *incident, struct rw_process_info *process);

/* Names the signal of a crash: "SIGSEGV". */
void rw_crash_name(struct rw_incident *incident, struct rw_crash *crash);

/* A new lock order; pointer valid until the next add. */
struct rw_lock_edge_info *rw_process_add_lock_edge(struct rw_incident *incident,
                                                   struct rw_process_info *process);
struct rw_python_frame *rw_lock_place_add_python(struct rw_incident *incident, struct rw_lock_place *place);
void rw_lock_edge_add_gate(struct rw_incident *incident, struct rw_lock_edge_info *edge, uint64_t lock);
void rw_lock_edge_add_meeting(struct rw_incident *incident, struct rw_lock_edge_info *edge, unsigned number);

/* The interpreter at this address, added if there is none. */
struct rw_interpreter_info *rw_process_interpreter(struct rw_incident *incident,
                                                   struct rw_process_info *process, uint64_t address);
struct rw_interpreter_info *rw_process_find_interpreter(const struct rw_process_info *process,
                                                        int64_t id); /* or NULL */

/* What could not be had, a sentence for people. A note that is there already is not added again. */
void rw_process_note(struct rw_incident *incident, struct rw_process_info *process, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void rw_incident_note(struct rw_incident *incident, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What the thread waits for: the one it has, else a new one without an owner. */
struct rw_wait_on *rw_thread_wait_on(struct rw_incident *incident, struct rw_thread *thread);

/* One more thing by which the wait can end, without holders; valid until the next one. `kind` and `wants` as
 * struct rw_channel has them. */
struct rw_channel *rw_wait_add_channel(struct rw_incident *incident, struct rw_wait_on *wait,
                                       const char *kind, const char *wants);
void rw_channel_add_holder(struct rw_incident *incident, struct rw_channel *channel, int pid, int fd,
                           const char *name);

/* The names that follow from others, once those are known, which is when an incident is made: of the threads'
 * creators; and of a thread that Python calls MainThread also where no module asked it to. */
void rw_incident_complete_names(struct rw_incident *incident);

/* Whether the same functions are open in both: Python's where there are any, up to the innermost one that is
 * not of a library, else the native ones. False where there is no stack. For one thread in two incidents. */
bool rw_has_same_calls(const struct rw_thread *a, const struct rw_thread *b);

/* Each appends a copy of the structure. */
void rw_add_frame(struct rw_incident *incident, struct rw_thread *thread, const struct rw_frame *frame);
void rw_add_python_frame(struct rw_incident *incident, struct rw_thread *thread,
                         const struct rw_python_frame *frame);
void rw_thread_add_transition(struct rw_incident *incident, struct rw_thread *thread,
                              const struct rw_transition *transition);
void rw_process_add_transition(struct rw_incident *incident, struct rw_process_info *process,
                               const struct rw_transition *transition);
void rw_thread_add_state(struct rw_incident *incident, struct rw_thread *thread,
                         const struct rw_thread_state_ref *ref);
/* `tid`: the thread that it belongs to; 0 if no OS thread backs it, -1 if not known. */
void rw_interpreter_add_state(struct rw_incident *incident, struct rw_interpreter_info *interpreter,
                              const struct rw_thread_state_ref *ref, int tid);

/* The verdict's parts. `why` and evidence are formatted into the incident. */
void rw_verdict_culprit(struct rw_incident *incident, struct rw_verdict *verdict, int pid,
                        const struct rw_thread *thread, const char *role, const char *why, ...)
    __attribute__((format(printf, 6, 7)));
void rw_verdict_evidence(struct rw_incident *incident, struct rw_verdict *verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
struct rw_verdict *rw_incident_add_also(struct rw_incident *incident);

/* "unknown", "inferred", "exact", and back (anything else is RW_UNKNOWN). */
const char *rw_certainty_name(enum rw_certainty certainty);
enum rw_certainty rw_certainty_of(const char *name);

/* The array that holds `count` elements of `size` bytes, with room for one more, zeroed. For arrays of the
 * incident that have no function of their own. Grows by half, so appending is linear in all. */
void *rw_grow(struct rw_incident *incident, void *array, size_t count, size_t size);

#endif
