/* SPDX-License-Identifier: MIT */
/*
 * A look: everything that is known about some processes at one moment, taken in a process of its own. Reading
 * symbols and memory of arbitrary programs may crash or hang the reader; then that child dies, the kernel
 * lets go of whatever it traced, and the monitor goes on and looks again with less.
 */
#ifndef RACEWATCH_TOOLS_MONITOR_CAPTURE_H
#define RACEWATCH_TOOLS_MONITOR_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tools/incident/incident.h"

struct rw_failures;
struct rw_reader;

struct rw_capture_target {
    int pid;
    struct rw_reader *reader; /* NULL: not recorded */
    const char *saved_maps;   /* path, or NULL */
    bool is_gone;             /* from the recording alone */
    bool is_elsewhere;        /* in another PID namespace: it is not told of by its recording */
};

struct rw_capture_plan {
    const struct rw_capture_target *targets; /* the stuck one first */
    size_t target_count;
    const char *trigger;
    const char *trigger_detail;
    const char *command;
    const struct rw_incident *previous; /* the look before, NULL if none: fills what moved since */
    const struct rw_failures *failures; /* processes of the run that ended badly; may be NULL */
    bool native;
    bool python;
    int signal;           /* that the first process died of, or is about to; 0 none */
    bool recordings_only; /* nothing of the processes themselves is read */
    /* What looks; NULL: rw_capture_now. */
    struct rw_incident *(*look)(void *parent, const struct rw_capture_plan *plan);
};

/* Takes the look in this process: a talloc child of `parent`, diagnosed. Never NULL. */
struct rw_incident *rw_capture_now(void *parent, const struct rw_capture_plan *plan);

/* The same in a child. A talloc object; destroying it ends the child. */
struct rw_capture_child;

/* NULL where there is no room for another process; errno says why. The plan is not needed any longer. */
struct rw_capture_child *rw_capture_start(void *parent, const struct rw_capture_plan *plan);

int rw_capture_fd(const struct rw_capture_child *child); /* readable once it has ended */

/* After it has ended or been stopped: its incident, a talloc child of `parent`; NULL with a sentence in *why
 * (a talloc child of `parent` too) where it crashed or was stopped. *cpu_ns is what it cost. */
struct rw_incident *rw_capture_result(struct rw_capture_child *child, void *parent, uint64_t *cpu_ns,
                                      char **why);

/* Ends it now; rw_capture_result may then be called. */
void rw_capture_stop(struct rw_capture_child *child);

#endif
