/* SPDX-License-Identifier: MIT */
/*
 * From a recording to the incident's model: what the threads' own calls told, before anybody has looked at
 * the process itself. Reads nothing but the recording; pure otherwise.
 */
#ifndef RACEWATCH_TOOLS_RECORDING_MODEL_H
#define RACEWATCH_TOOLS_RECORDING_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "tools/incident/incident.h"
#include "tools/recording/reader.h"

/* Describes a code address of the recorded process, "function (module+0x12)", as a talloc child of `parent`,
 * or NULL where nothing is known. rw_code_describe fits. */
typedef const char *(*rw_describe_fn)(void *ctx, uint64_t address, void *parent);

/*
 * Adds what the recording holds to `process`: identity, milestones, tests, interpreters, threads (state,
 * origin, waits_on with evidence "recording", interpreter_call, history), the merged history, and notes for
 * what was cut, torn, refused or could not be hooked. The reader is refreshed first.
 *
 * Threads: key is the tid. NEW, RUNNING, WAITING and EXITED slots become threads; is_alive is set for RUNNING
 * and WAITING ones as the recording's belief (a snapshot corrects it; a post-mortem clears it). JOINED and
 * DETACHED ones are history only. Strings already set (name, executable, ...) are kept where the recording
 * knows less.
 *
 * Uses incident->now_ns for deadlines; the caller has set it. `describe` may be NULL. Allocates in
 * `incident`. 0, or a negative errno when nothing could be read (what could be read of a damaged recording is
 * filled, with a note).
 */
int rw_recording_fill(struct rw_incident *incident, struct rw_process_info *process, struct rw_reader *reader,
                      rw_describe_fn describe, void *describe_ctx);

/* The words of the model for the numbers of the recording; static strings, NULL for a number without one.
 * States: "new" "running" "waiting" "exited" "joined" "detached". Waits: "mutex" "rwlock" "condition"
 * "semaphore" "barrier" "join" "fork". */
const char *rw_thread_state_word(uint32_t thread_state);
const char *rw_wait_kind_word(uint32_t wait_kind);
const char *rw_event_word(uint32_t event_kind);        /* "thread-create", "join-begin", ..., "wait" */
const char *rw_test_phase_word(uint32_t phase);        /* "setup" "call" "teardown" */
const char *rw_interpreter_state_word(uint32_t state); /* "creating" "alive" "destroying" "destroyed" */
const char *rw_interpreter_op_word(uint32_t op);       /* "new" "destroy" "finalize" */
const char *rw_misuse_word(uint32_t kind);             /* "late-thread", "join-of-joined", ... */
const char *rw_hook_name(uint32_t hook);               /* "Py_NewInterpreter", ... */

/* Enters what a test left behind, but for threads that were gone a moment later; nothing where that was all.
 */
void rw_recording_fill_account(struct rw_incident *incident, struct rw_process_info *process,
                               struct rw_reader *reader, const struct rw_account *recorded);

#endif
