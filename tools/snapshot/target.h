/* SPDX-License-Identifier: MIT */
/*
 * The threads of one snapshot, and where each one's stack comes from. For process.c and stacks.c.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_TARGET_H
#define RACEWATCH_TOOLS_SNAPSHOT_TARGET_H

#include "shim/recording.h"
#include "tools/incident/incident.h"
#include "tools/snapshot/image.h"
#include "tools/snapshot/proc.h"
#include "tools/snapshot/process.h"
#include "tools/snapshot/seize.h"

struct rw_reader;

struct rw_target {
    int tid;
    char comm[RW_COMM_MAX];
    struct rw_thread_times times;
    int64_t blocks;              /* times it had blocked, of one that was ready to run; else -1 */
    struct rw_proc_syscall call; /* as /proc had it before the thread was touched */
    int call_error;              /* 0, or why that could not be read */
    const char *spared;          /* why it was not to be stopped, for people, under `scratch`; else NULL */
    struct rw_stack lying;       /* as it lay while it slept, under `scratch`; without bytes: not had */
    bool has_copy;               /* `copy` was tried; its error tells */
    struct rw_copy copy;
    bool has_slot;
    unsigned slot_index;
    struct rw_slot slot;
    bool has_stack; /* frames are in the incident */
};

struct rw_look {
    struct rw_incident *incident;
    struct rw_process_info *process;
    struct rw_image *image;
    struct rw_reader *reader;
    struct rw_snapshot_options options;
    struct rw_target **targets; /* a talloc array, as is each target, under `scratch` */
    size_t count;
    struct rw_target **by_tid; /* the same, sorted, process.c keeps it */
    size_t by_tid_count;
    int tracer_pid;    /* who traces the process already, 0 if nobody */
    bool is_elsewhere; /* the process is in another PID namespace than this program */
    void *scratch;
};

static inline bool rw_target_is_gone(const struct rw_target *target)
{
    return target->times.state == 'Z' || target->times.state == 'X';
}

/* Stops and copies those targets from `first` on that can be. */
void rw_stacks_copy(struct rw_look *look, size_t first);

/* Gives every target's thread its frames: from the copies, else by one of the ways that need no tracing, best
 * first. What could not be had and why is in stack_note. */
void rw_stacks_fill(struct rw_look *look);

#endif
