/* SPDX-License-Identifier: MIT */
/*
 * What serial mode decided: PID-CREATED.schedule beside the recording, written as it is decided.
 * `racewatch run --replay` gives such a file to the shim again. Holds
 *     struct rw_schedule_header
 *     struct rw_schedule_thread [thread_count]
 *     struct rw_schedule_source [RW_SCHEDULE_SOURCE_MAX]   of which source_count are used
 *     struct rw_schedule_switch [switch_count]   in the order in which they happened
 *
 * A thread goes on while it can, and else the one of those that can that was made first runs next. What the
 * file lists are the points at which it was otherwise.
 *
 * Part of the contract between the shim and tools/, as recording.h is: readers treat every byte as hostile.
 */
#ifndef RACEWATCH_SHIM_SCHEDULE_H
#define RACEWATCH_SHIM_SCHEDULE_H

#include <stdint.h>

#define RW_SCHEDULE_MAGIC UINT64_C(0x32444853574b4352) /* "RCKWSHD2", little endian */
#define RW_SCHEDULE_THREAD_MAX 256u
#define RW_SCHEDULE_SOURCE_MAX 512u
#define RW_SCHEDULE_SWITCH_MAX 131072u

struct rw_schedule_thread {
    uint64_t path; /* its place in the tree of creation, the same in each run */
    int32_t tid;
    uint32_t parent; /* index in this table; its own for the main thread */
};

/* A function of the program's Python code. */
struct rw_schedule_source {
    char file[112]; /* the end of its path where it is longer */
    char function[48];
};

struct rw_schedule_switch {
    uint32_t from, to;       /* index in the table of threads */
    uint32_t point;          /* of `from`: how many of this kind it had come to, this one included;
                                RW_SCHEDULE_CHECK: of `to` */
    uint32_t check;          /* of all decisions before this one; 0: not to be compared */
    uint64_t return_address; /* of the call that `from` made */
    uint32_t was_able;       /* 1 if `from` could have gone on: a preemption */
    uint32_t source;         /* where `from` is in Python code: index in the table of sources, plus 1 */
    uint32_t line;           /* in that file; 0: not known */
    uint32_t kind;           /* enum rw_schedule_point */
    uint32_t checks;         /* RW_SCHEDULE_CHECK: how many `from` had come to since `to` waits; else 0 */
    uint32_t reserved;
};

/* They are counted separately, so that a switch is found again where others before it are left out: how often
 * a thread has to wait depends on them, what it does mostly not. */
enum rw_schedule_point {
    RW_SCHEDULE_CALL = 0, /* it is about to do something */
    RW_SCHEDULE_WAIT,     /* it has to wait, or ends */
    RW_SCHEDULE_LINE,     /* it is at a line of Python code */
    RW_SCHEDULE_AFTER,    /* it has given something back, or told somebody something */
    RW_SCHEDULE_CHECK,    /* it waits for an interpreter's lock, and gets it at a check of who holds it */
    RW_SCHEDULE_POINTS,
};

/* How the program's Python code is seen line by line. */
enum rw_schedule_lines {
    RW_SCHEDULE_LINES_NONE = 0,  /* it is not: no Python was initialised */
    RW_SCHEDULE_LINES_TRACE,     /* by a trace function of each thread, up to 3.11 */
    RW_SCHEDULE_LINES_MONITORED, /* by sys.monitoring, which leaves trace functions alone */
    RW_SCHEDULE_LINES_FAILED,    /* this Python cannot be asked for it: the recording's problems say why */
};

enum rw_schedule_divergence {
    RW_SCHEDULE_SAME_WAY = 0,
    RW_SCHEDULE_ELSEWHERE,  /* the thread is not where the file has it, or came there another way */
    RW_SCHEDULE_CANNOT_RUN, /* the one that the file has go on cannot */
};

struct rw_schedule_header {
    uint64_t magic;
    uint32_t header_size, thread_size, switch_size;
    int32_t pid;
    uint64_t seed;
    uint64_t place;     /* of the process in the tree of creation, the same in each run */
    uint64_t hash;      /* of all decisions so far: two runs with the same one went the same way */
    uint64_t decisions; /* points at which more than one thread could run */
    uint64_t points;
    uint64_t
        takeovers; /* times a thread waited or spun where the mode does not see: what followed may differ */
    uint64_t line_points; /* lines of Python code that were passed while there was another thread */
    uint32_t thread_count, switch_count;
    uint32_t source_count;
    uint32_t is_cut; /* 1: there were more switches than the file holds */
    uint32_t lines;  /* enum rw_schedule_lines */
    /* Trace functions that the program set for itself: in their threads no line is seen from then on. */
    uint32_t lines_displaced;
    /* A run that replays another one's file: where they differ for the first time. All 0: nowhere. */
    uint32_t has_diverged;    /* enum rw_schedule_divergence */
    uint32_t expected_switch; /* index in the other file */
    uint64_t diverged_step;   /* decisions before */
    uint32_t diverged_thread, diverged_source, diverged_line, reserved;
    uint64_t diverged_return_address;
    char executable[256];
};

#endif
