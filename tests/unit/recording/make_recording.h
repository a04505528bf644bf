/* SPDX-License-Identifier: MIT */
/* Makes recordings by hand, for tests of what reads them. Test code only: a failure ends the test program. */
#ifndef RACEWATCH_TESTS_UNIT_RECORDING_MAKE_RECORDING_H
#define RACEWATCH_TESTS_UNIT_RECORDING_MAKE_RECORDING_H

#include <stddef.h>

#include "shim/recording.h"

#define MADE_PID 4000
#define MADE_START_NS UINT64_C(1000000000000)
#define MADE_EDGES 2u               /* lock orders that there is room for, and stacks */
#define MADE_S UINT64_C(1000000000) /* a second */

/* A recording in memory; the pointers point into `bytes`. */
struct made {
    unsigned char *bytes;
    size_t size;
    struct rw_header *header;
    struct rw_test *tests;
    struct rw_interpreter *interpreters;
    struct rw_semaphore *semaphores;
    struct rw_misuse *misuses;
    struct rw_account *accounts;
    struct rw_lock *locks;
    struct rw_lock_edge *edges;
    struct rw_lock_stack *stacks;
    struct rw_slot_area *slots;
};

/* A valid, empty recording of process MADE_PID with room for so many slots. */
void make_recording(struct made *made, unsigned slots);
void free_recording(struct made *made);

/* Takes slot `index` for a thread in that state, created at MADE_START_NS + index. */
struct rw_slot *make_thread(struct made *made, unsigned index, int tid, enum rw_thread_state state,
                            const char *name);

/* Appends to the ring that the event's kind belongs to. */
void make_event(struct rw_slot *slot, uint64_t time_ns, enum rw_event_kind kind, uint64_t object,
                uint64_t arg);
void make_wait(struct rw_slot *slot, uint64_t begin_ns, uint64_t end_ns, enum rw_wait_kind kind,
               uint64_t object, uint32_t count);

struct rw_test *make_test(struct made *made, uint64_t number, const char *name, uint64_t begin_ns,
                          uint64_t end_ns);

/* The account of a test that left nothing yet; number `written` of the recording. */
struct rw_account *make_account(struct made *made, const char *test, uint64_t begin_ns, uint64_t end_ns);
void make_left_thread(struct rw_account *account, const struct made *made, unsigned slot);

/* A recording that uses every part: the seed of the mutation test, and of a fuzzer's corpus. */
void make_rich_recording(struct made *made);

/* Adds to it a misuse, a transition and a wait of each kind, for a fuzzer: no mutation makes a kind where
 * there is none. */
void make_every_kind(struct made *made);

/* Writes the first `size` bytes (all with SIZE_MAX) to a file, mode 0600. */
void write_recording(const struct made *made, const char *path, size_t size);

/* A folder of the test's own, removed with everything in it by remove_folder. The string is the caller's to
 * free. */
char *make_folder(void);
void remove_folder(char *folder);

#endif
