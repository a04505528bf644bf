/* SPDX-License-Identifier: MIT */
/*
 * How threads, waits, places and times are put into words, so that verdicts and reports speak alike.
 * Each returned string is a child of `ctx`; abort() where memory runs out. Bytes are not escaped here: who
 * writes to a file or a terminal does that.
 */
#ifndef RACEWATCH_TOOLS_INCIDENT_WORDS_H
#define RACEWATCH_TOOLS_INCIDENT_WORDS_H

#include <stdarg.h>

#include "tools/incident/incident.h"

/* talloc_asprintf, and with an end: never NULL. */
char *rw_words(void *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends to *text, which may be NULL. */
void rw_append(void *ctx, char **text, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* "450 ms", "12.3 s", "4 min 05 s", "3 h 20 min". */
char *rw_duration(void *ctx, double seconds);
/* "2026-11-26 18:17:32 UTC", of seconds since 1970; NULL for what is no time of these years. */
const char *rw_utc(void *ctx, double realtime_s);
/* Since `since_ns` until the incident's now; negative where that is not known. */
double rw_seconds_since(const struct rw_incident *incident, uint64_t since_ns);
/* When the thread's wait began; 0 where it does not wait, or that is not known. A wait for the GIL is a loop
 * of short ones: it began with the first of them, as far as the recording tells. */
uint64_t rw_waits_since(const struct rw_incident *incident, const struct rw_thread *thread);
/* Since when the thread does what it does: " for 12.3 s", or "" where that is not known. */
char *rw_for_how_long(void *ctx, const struct rw_incident *incident, uint64_t since_ns);

/* "MainThread (tid 10)", "'worker-1' (tid 12)"; "thread 12" if it has no name of its own. */
char *rw_thread_label(void *ctx, const struct rw_thread *thread);
/* The same without the tid, for a second mention in one sentence; where another thread of the process has the
 * same name, with it, and "the main thread". All have one name that were given none: the kernel calls a
 * thread as it calls its creator. */
char *rw_thread_short_label(void *ctx, const struct rw_process_info *process, const struct rw_thread *thread);
/* "'worker-1' (tid 12)" of a thread that is not among the process' any more, by what was recorded of it. */
char *rw_gone_thread_label(void *ctx, const struct rw_transition *transition);

/* What is waited for: "`self.lock_a`", "0x55d0", "fd 7 (socket:[123])"; "" if there is nothing to name. Where
 * others in the process wait for another object of the same name, "`y` (0x55d0)". */
char *rw_object_words(void *ctx, const struct rw_process_info *process, const struct rw_wait_on *wait);
/* "waits for lock `self.lock_a`", "waits in recv on fd 7 (socket:[123])", "waits for 'reader' (tid 12) to
 * end". */
char *rw_wait_words(void *ctx, const struct rw_process_info *process, const struct rw_wait_on *wait);
/* The same for a thread, whatever it does: "runs", "has ended", "is destroying interpreter 1, waits for ...".
 */
char *rw_doing_words(void *ctx, const struct rw_process_info *process, const struct rw_thread *thread);

/* The line of the user's code that a thread is in: "test_x.py:12 in test_two". The innermost Python frame
 * that is not of the standard library or an installed package, else the innermost Python frame, else the
 * innermost native frame outside the C library, Python and racewatch. NULL if there is no stack. */
char *rw_place(void *ctx, const struct rw_thread *thread);
/* The same for a person who goes and opens the file: code that was given as a string ("<string>:6") is passed
 * over where the thread has a line of the user's in a file. */
char *rw_file_place(void *ctx, const struct rw_thread *thread);
/* A place in Python code that is in no file: it begins with "<". */
bool rw_is_in_no_file(const char *place);
/* Code of Python itself, as "function (module+0x12)": it says nothing to who wrote the program. */
bool rw_is_interpreter_place(const char *place);
/* Python's standard library and installed packages, frozen modules. */
bool rw_is_library_file(const char *file);
/* The system's run-time libraries and Python itself: frames that say how, not why. */
bool rw_is_plumbing(const struct rw_frame *frame);

/* What the thread's own code has called of C++'s or Rust's library, with its arguments' types, and is in: as
 * "std::latch::wait() const". NULL where it called none, or that is not known. */
const char *rw_toolchain_call(const struct rw_thread *thread);

/* A class of a race that was seen: it says nothing of anybody who hangs. */
bool rw_is_race_class(const char *class_name);

/* It ended: its OS thread is gone, or the recording says so where the process is gone as well. */
bool rw_thread_is_gone(const struct rw_process_info *process, const struct rw_thread *thread);

#endif
