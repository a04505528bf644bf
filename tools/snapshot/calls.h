/* SPDX-License-Identifier: MIT */
/*
 * Which system call means which kind of wait. x86-64 numbers. For this folder.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_CALLS_H
#define RACEWATCH_TOOLS_SNAPSHOT_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/snapshot/memory.h"
#include "tools/snapshot/proc.h"

enum rw_timeout_form {
    RW_TIMEOUT_NONE = 0,
    RW_TIMEOUT_ALWAYS,   /* it ends by itself, whatever its arguments */
    RW_TIMEOUT_MS,       /* an int; negative: none */
    RW_TIMEOUT_RELATIVE, /* a pointer to a time from then on; NULL: none */
    RW_TIMEOUT_FUTEX,    /* a pointer; what it means depends on the operation */
    RW_TIMEOUT_SLEEP,    /* clock_nanosleep's pointer, by its flags */
};

struct rw_call {
    int number;
    const char *name;
    const char *kind; /* a word of struct rw_wait_on */
    int fd_argument;  /* -1: none */
    enum rw_timeout_form timeout;
    int timeout_argument;
};

/* What the call of that number waits for; NULL for one that is not in the table. */
const struct rw_call *rw_call_of(int number);

/* Whether the call, interrupted, may return with part of its work done instead of being made again: a write()
 * of more than a pipe has room for. Who wrote the program may not have reckoned with that: Python with
 * PYTHONUNBUFFERED=1 loses the rest. */
bool rw_call_may_be_partial(const struct rw_proc_syscall *call);

/* Whether a wait for a futex would end if it were interrupted: made again, it compares the word with what it
 * slept for, and the word has changed since. For long that is so after a lost wake-up alone. *slept_for and
 * *is_now: the two words, where it is true. */
bool rw_call_would_be_over(const struct rw_proc_syscall *call, struct rw_memory *memory, uint32_t *slept_for,
                           uint32_t *is_now);

/* A call that the kernel goes on with after an interruption is seen as restart_syscall, with the first call's
 * arguments: the code before the pc tells which it was. Changes call->number where that can be told. */
void rw_call_resolve(struct rw_proc_syscall *call, struct rw_memory *memory);

/* Whether the call ends by itself, and in how many seconds from now where the kernel was given a moment
 * rather than a duration, else 0. */
bool rw_call_deadline(const struct rw_call *what, const struct rw_proc_syscall *call,
                      struct rw_memory *memory, double *in_s);

#endif
