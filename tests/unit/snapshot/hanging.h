/* SPDX-License-Identifier: MIT */
/* Starts hang.c's program and takes snapshots of it; fails the test where that does not work. */
#ifndef RACEWATCH_TESTS_UNIT_SNAPSHOT_HANGING_H
#define RACEWATCH_TESTS_UNIT_SNAPSHOT_HANGING_H

#include <stdbool.h>
#include <sys/types.h>

#include "tools/incident/incident.h"
#include "tools/snapshot/process.h"

struct hanging {
    pid_t pid;
    int output;
};

/* The program at `path`, with up to two arguments (NULL: none). Returns when its threads are all blocked but
 * for `running` of them. */
struct hanging hanging_start(const char *path, const char *argument, const char *argument2, int running);

/* Kills it and waits for its end. */
void hanging_end(struct hanging *hanging);

/* Whether a wait of its has ended; then the line that it wrote is on stderr. */
bool hanging_was_disturbed(struct hanging *hanging);

/* The same, but for the wait of `function`. */
bool hanging_was_disturbed_but(struct hanging *hanging, const char *function);

/* How many threads are in that state of /proc ('t': stopped by a tracer). */
int hanging_count_state(pid_t pid, char state);

struct snapshot {
    struct rw_incident *incident;
    struct rw_process_info *process;
    struct rw_image *image;
    int result;
};

struct snapshot snapshot_take(pid_t pid);
void snapshot_free(struct snapshot *snapshot);

/* The first thread that has a frame of this function, or NULL. */
struct rw_thread *snapshot_thread(const struct snapshot *snapshot, const char *function);

/* The index of the function's frame in the thread, or -1. */
int thread_frame(const struct rw_thread *thread, const char *function);

/* Whether the stack leads out to where the thread began. */
bool thread_is_whole(const struct rw_thread *thread);

/* Whether libc's own, unexported functions have names: so where it is linked statically or libc6-dbg is
 * there. */
bool snapshot_names_libc(const struct snapshot *snapshot);

#endif
