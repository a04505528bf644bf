/* SPDX-License-Identifier: MIT */
/*
 * Reading a recording (shim/recording.h) that another process may be writing, truncating or scribbling over.
 *
 * Every read is a pread into a copy of our own: a mapping would turn a truncated file into SIGBUS, and would
 * let a value change between its check and its use. What a call hands out is a copy that was checked: counts
 * and sizes are within their maxima, strings end with a NUL, states and kinds may still be numbers without a
 * name. A call makes a bounded number of system calls and never waits for the writer.
 *
 * Errors, the same for all calls: 0, or
 *
 *     -ENOENT   there is no such entry (a free slot, a test that was overwritten, a thread without capture)
 *
 *     -EAGAIN   the writer was in the middle of it at each of a few looks, or died in the middle; what was
 *               read is handed out, checked as always, but its fields may be of two different moments
 *
 *     -EBADMSG  the file does not hold what its header promised; nothing is handed out
 *
 *     other     errno of the read
 *
 * A reader is used by one thread at a time. It keeps one descriptor (read-only) open.
 */
#ifndef RACEWATCH_TOOLS_RECORDING_READER_H
#define RACEWATCH_TOOLS_RECORDING_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/recording.h"

struct rw_reader;

/* Opens and checks a recording. On failure *reader is NULL and *why (never NULL then; a talloc string without
 * parent, the caller frees it with talloc_free) is one message for people, without the path, like "not a
 * recording", "a recording of another version (1; this program reads 2)", "truncated: ...". *why is NULL on
 * success. -EAGAIN: its process is still filling it in (or died while it did); worth another try a moment
 * later. Symbolic links are not followed; only regular files are opened. */
int rw_reader_open(const char *path, struct rw_reader **reader, char **why);

void rw_reader_close(struct rw_reader *reader); /* NULL is allowed */

/* As given to open; lives as long as the reader. */
const char *rw_reader_path(const struct rw_reader *reader);

/* What of the file is missing, for people; NULL if it is all there. As of open or the last refresh. */
const char *rw_reader_note(const struct rw_reader *reader);

/* Reads the header page again: two system calls. When it fails the old copy stays, and may be used. */
int rw_reader_refresh(struct rw_reader *reader);

/* The header as of open or the last refresh. The pointer stays the same over refreshes. Its slot_used is
 * never more than the file has room for; the numbers of entries and their sizes are those of recording.h. */
const struct rw_header *rw_reader_header(const struct rw_reader *reader);

/* Slot number `index` (0 .. slot_used-1): everything of struct rw_slot up to and without `capture`; capture
 * and rings are zeroed. One system call, of 112 bytes, when nothing changed since the last call for this
 * slot; four otherwise. -ENOENT: free. JOINED and DETACHED slots are handed out: they tell of threads that
 * are gone. */
int rw_reader_slot(struct rw_reader *reader, unsigned index, struct rw_slot *slot);

/* Both rings of a slot, merged and in the order of time, oldest first. At most 2 * RW_EVENT_MAX events; those
 * of threads that had the slot before (older than slot->created_ns) are left out. `slot` is what
 * rw_reader_slot gave; -ENOENT: the slot was given to another thread since then. */
struct rw_history {
    size_t count;
    bool is_cut; /* older events of this thread were overwritten */
    struct rw_event events[2 * RW_EVENT_MAX];
};
int rw_reader_history(struct rw_reader *reader, unsigned index, const struct rw_slot *slot,
                      struct rw_history *history);

/* The newest stack copy of a slot; capture->stack_length bytes of `stack` are valid. The caller compares
 * capture->time_ns with the slot's times: a copy outlives the wait that it was made for. */
int rw_reader_capture(struct rw_reader *reader, unsigned index, struct rw_capture *capture,
                      uint8_t stack[RW_STACK_MAX]);

/* A test by its number, 1 .. header->test_written; only the last RW_TEST_MAX are kept. */
int rw_reader_test(struct rw_reader *reader, uint64_t number, struct rw_test *test);

/* The test that runs now, or -ENOENT. */
int rw_reader_current_test(struct rw_reader *reader, struct rw_test *test);

/* Entry `index` (0 .. header->interpreter_count-1) of the table of interpreters; the destroyed stay in it. */
int rw_reader_interpreter(struct rw_reader *reader, unsigned index, struct rw_interpreter *interpreter);

/* Who took the semaphore at this address last, where nobody has posted it since. -ENOENT: nobody is known.
 * -EAGAIN: it changed hands while it was looked at; *owner is not to be believed then. */
int rw_reader_semaphore_owner(struct rw_reader *reader, uint64_t address, struct rw_semaphore *owner);

/* All semaphores that are held, as far as one quick look finds them. */
int rw_reader_semaphores(struct rw_reader *reader, struct rw_semaphore held[RW_SEMAPHORE_MAX], size_t *count);

/* Entry `index` (0 .. header->misuse_count-1) of the table of misuses. -ENOENT: none. */
int rw_reader_misuse(struct rw_reader *reader, unsigned index, struct rw_misuse *misuse);

/* What test number `number` of those that left something left: 1 .. header->accounts_written, of which the
 * last header->account_count are kept. -ENOENT: it was overwritten meanwhile. */
int rw_reader_account(struct rw_reader *reader, uint64_t number, struct rw_account *account);

/* Who took the Python lock whose object is at this address, where it was not released since, by its own
 * methods; the same errors. Whether it is locked is for the caller to see. -ENOENT without the option
 * lock_owners. */
int rw_reader_lock_owner(struct rw_reader *reader, uint64_t address, struct rw_lock *owner);

/* All Python locks that are held, as far as one quick look finds them. */
int rw_reader_locks(struct rw_reader *reader, struct rw_lock held[RW_LOCK_MAX], size_t *count);
/* Entry `index` (0 .. header->lock_edge_count-1) of the table of lock orders. -ENOENT: none, or the option
 * was off. */
int rw_reader_lock_edge(struct rw_reader *reader, unsigned index, struct rw_lock_edge *edge);

/* The stack that an edge names by its number, which begins with 1. -ENOENT: none. */
int rw_reader_lock_stack(struct rw_reader *reader, uint32_t number, struct rw_lock_stack *stack);

/* Problem number `index` (0 .. RW_PROBLEM_MAX-1) of the header as of the last refresh; -ENOENT: none. */
int rw_reader_problem(const struct rw_reader *reader, unsigned index, struct rw_problem *problem);

/* The monitor's three words to the process. All write to the file, which the caller must be allowed to.
 * request_capture: numbers a new request for the capture handler and stores it; the captures that answer it
 * carry *request. seen: notes that the process was alive at now_ns (CLOCK_MONOTONIC); about once a second is
 * enough. */
int rw_reader_request_capture(struct rw_reader *reader, uint64_t *request);
int rw_reader_seen(struct rw_reader *reader, uint64_t now_ns);
/* How far the look at a process that is dying of a signal is: its thread waits for that. */
int rw_reader_crash_look(struct rw_reader *reader, enum rw_crash_look look);

#endif
