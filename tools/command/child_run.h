/* SPDX-License-Identifier: MIT */
/*
 * A program as a child of ours, for commands that run one many times: in a process group of its own, so that
 * ^C on the terminal is ours to deal with, with nothing on its standard input and its output in files.
 */
#ifndef RACEWATCH_TOOLS_COMMAND_CHILD_RUN_H
#define RACEWATCH_TOOLS_COMMAND_CHILD_RUN_H

#include <signal.h>
#include <stdbool.h>

struct rw_child_signals {
    sigset_t taken, mask_before; /* signals that are awaited, and what was blocked before */
};

/* Blocks the signals that end us, and SIGCHLD, for good: they are waited for with the end of the child. */
void rw_child_signals_take(struct rw_child_signals *signals);

struct rw_child_run {
    const struct rw_child_signals *signals;
    char *const *argv;
    bool is_own;                      /* it is racewatch itself; else argv[0] is looked for in PATH */
    const char *output;               /* an existing folder: the files `stdout` and `stderr` are made in it */
    double end_s;                     /* on rw_now_s()'s clock (tools/basics/clock.h): it is ended then */
    bool (*is_enough)(void *context); /* asked once a second, ends it when true; NULL: never */
    void *context;
};

/* Waits for its end, which is brought about where need be. *status is wait()'s. 0; -ETIMEDOUT: ended at
 * end_s; -ECANCELED: ended because it was enough; -EINTR: ended because a signal to us asked for it; another
 * negative errno: it could not be started. */
int rw_child_run(const struct rw_child_run *run, int *status);

/* As a shell has it: 128 + n for a signal. */
int rw_child_code(int status);

/* Appends to a talloc array that ends with NULL. */
void rw_argv_add(void *parent, char ***list, const char *item);

#endif
