/* SPDX-License-Identifier: MIT */
/* Runs the subject under the shim, in a session of the test's own and without a monitor, and reads its
 * recordings. */
#ifndef RACEWATCH_TESTS_RUN_SUBJECT_H
#define RACEWATCH_TESTS_RUN_SUBJECT_H

#include <stdbool.h>
#include <sys/types.h>

#include "shim/recording.h"

struct recording {
    const unsigned char *base;
    const struct rw_header *header;
    const struct rw_slot_area *slots;
};

/* From the test's command line. */
extern const char *library_path, *subject_path;

/* Starts a case; its session is empty before. */
pid_t start_subject(const char *name);

/* Waits for its end: the exit status, or 128 and the signal. */
int end_of_subject(pid_t pid);

/* Kills it and reaps it. */
void kill_subject(pid_t pid);

/* Maps the recording of a process, waits until there is one that is ready. */
struct recording open_recording(pid_t pid);
void close_recording(struct recording *recording);

/* Waits until `holds` is true for the recording; fails the test after ten seconds. */
void await(const struct recording *recording, bool (*holds)(const struct recording *));

/* The recordings in the session, and the pid of one that is not `but`, 0 if there is none. */
pid_t other_recording(pid_t but);

const struct rw_test *test_of(const struct recording *recording, unsigned index);

#endif
