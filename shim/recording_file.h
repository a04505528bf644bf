/* SPDX-License-Identifier: MIT */
/*
 * The recording's file and where it is mapped. In the target only; no errno, no libc state, no allocation;
 * safe in a fork child. The file never has more size than what is allocated on disk, so that a full disk is
 * an error here and not SIGBUS later. No descriptor stays open.
 */
#ifndef RACEWATCH_SHIM_RECORDING_FILE_H
#define RACEWATCH_SHIM_RECORDING_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "shim/recording.h"

struct rw_session {
    char folder[PATH_MAX];  /* absolute */
    int32_t monitor_pid;    /* 0 if there is none, or none that has a number here */
    uint64_t pid_namespace; /* the monitor's, as the inode of /proc/self/ns/pid; 0: not known */
    uint64_t elsewhere;     /* the namespace of this process, where that is another one; else 0 */
};
extern struct rw_session rw_session;

/* Where the recording's head is mapped; NULL before there is one. The address stays the same in fork
 * children. */
extern struct rw_header *rw_header __attribute__((visibility("hidden")));
extern struct rw_test *rw_tests;
extern struct rw_interpreter *rw_interpreters;
extern struct rw_semaphore *rw_semaphores __attribute__((visibility("hidden")));
extern struct rw_misuse *rw_misuses;
extern struct rw_account *rw_accounts;
extern struct rw_lock *rw_locks; /* NULL without the option lock_owners */

/* The option lock_owners: whether recordings have a table of locks. Set before the first one is made. */
extern bool rw_recording_has_locks;

/* The option lock_order: whether recordings have tables for it. Set before the first one is made; without it
 * these two are not to be used. */
extern bool rw_recording_has_orders;
extern struct rw_lock_edge *rw_lock_edges;
extern struct rw_lock_stack *rw_lock_stacks;

/* Slot number `slot`, which must be less than rw_recording_room(). The address stays good for as long as the
 * recording lasts. */
struct rw_slot_area *rw_slot_area(uint32_t slot);

/* Not 0 while a thread writes the table. A new recording begins with 0: the thread that set it may not exist
 * in a fork child. */
extern uint32_t rw_tests_writing, rw_interpreters_writing, rw_misuses_writing, rw_orders_writing;

/* Makes this process's file in the session's folder and maps it, over the one of the parent process if there
 * is one; fills in what of the header describes the file, `pid` and `created_ns`. Slot 0 is there, and zero.
 * Where the process is in another pid namespace than the monitor, its pid means another process to the
 * monitor: the file's name says so. Returns 0 or a negative errno; nothing is left behind then, and an
 * earlier mapping stays as it was. */
int rw_recording_create(int32_t pid, uint64_t created_ns);

/* How many slots the file has room for. */
uint32_t rw_recording_room(void);

/* Makes room for twice as many slots. One thread at a time: the caller sees to that. */
int rw_recording_grow(void);

/* RLIMIT_FSIZE: a write beyond it would be answered with SIGXFSZ, which ends the program. */
uint64_t rw_recording_size_limit(void);

/* The path of this process's recording. */
const char *rw_recording_path(void);

#endif
