/* SPDX-License-Identifier: MIT */
/*
 * The monitor: watches the processes of one session until the run is over, and tells what hangs. One per
 * session, in a process of its own or in `racewatch run`; it owns the session's folder and clears it away at
 * the end.
 */
#ifndef RACEWATCH_TOOLS_MONITOR_MONITOR_H
#define RACEWATCH_TOOLS_MONITOR_MONITOR_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "tools/monitor/session.h"
#include "tools/options/options.h"

struct rw_monitor_setup {
    const struct rw_options *options;
    struct rw_session *session;           /* closed and freed at the end */
    const char *command;                  /* NULL: as the first process tells */
    pid_t child;                          /* the program of `racewatch run`, which is to be reaped; 0: none */
    void (*child_ended)(int wait_status); /* called at once; NULL: nobody asks */
    pid_t first;                          /* the first process of the session */
    const sigset_t *signals; /* to the run, and SIGCHLD where there is a child; all blocked. NULL: none */
    const char *notes;       /* lines about the run for the index and the reports, or NULL */
    FILE *log;               /* what it does, or NULL */
};

struct rw_monitor_result {
    int wait_status;      /* of the child */
    bool has_seen;        /* some process recorded */
    int refused;          /* errno with which one could not; 0: none, or not known */
    size_t told;          /* incidents */
    size_t tests_told;    /* that left something behind; 0 where nobody asked */
    char *first_sentence; /* talloc children of the parent given; NULL if none */
    char *first_report;
    char *index; /* path of index.json, whether it was written or not */
    char *trouble;
    char *schedules_said; /* of a run in serial mode: lines for people, "" if there is nothing to say */
};

/* Runs until the child has ended, or, without one, the last watched process has. */
void rw_monitor_run(void *parent, const struct rw_monitor_setup *setup, struct rw_monitor_result *result);

#endif
