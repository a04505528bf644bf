/* SPDX-License-Identifier: MIT */
/*
 * racewatch isolate: does a test hang by itself, or after which others? Each try is a `racewatch run` of its
 * own, whose folder is kept if the test hung in it. Internal to tools/command; everything is a talloc child
 * of struct isolate.
 */
#ifndef RACEWATCH_TOOLS_COMMAND_ISOLATE_H
#define RACEWATCH_TOOLS_COMMAND_ISOLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "tools/command/child_run.h"
#include "tools/command/isolate_pytest.h"
#include "tools/incident/incident.h"
#include "tools/options/options.h"

struct isolate {
    char *const *command;
    const struct rw_options *options;
    const char *out;     /* absolute; the tries' folders are in it */
    bool made_dir;       /* the folder above it was not there before */
    const char *scratch; /* of the try that goes on, in `out` */
    const char *from;    /* reports to begin with; NULL: the command is run first */
    double limit_s;
    size_t tries; /* of each set whose counts are told */

    struct rw_pytest *pytest;
    struct rw_child_signals signals;
    double end_s;
    double longest_s; /* of the tries so far */
    size_t number;    /* of tries so far */
    int first_code;   /* exit status of the command as it was given */
    size_t repeats;   /* of a set before it counts as one after which nothing hangs */
    /* The hang that is looked into, and then what was seen of it last. */
    const char *test;
    size_t target;  /* its index in pytest->ids */
    bool is_strong; /* its class says that something is stuck, whatever else may come */
    const char *class_name;
    struct rw_incident *incident;
    const char *report;
    const char *kept; /* that try's folder; NULL: it is the first one's */
};

/* The first incident below `path` that is a hang in a test (in `test`, if that is not NULL), with the path of
 * its report; NULL if there is none. A talloc child of `parent`. `class_name` NULL: any class will do, else
 * one that says less than "stuck" counts only if it is that one. */
struct rw_incident *rw_isolate_find(void *parent, const char *path, const char *test, const char *class_name,
                                    const char **report);

/* The test that an incident belongs to. */
const char *rw_isolate_test_of(const struct rw_incident *incident);

/* Whether the name in an incident is that of the id: long ones are cut. */
bool rw_isolate_is_test(const char *name, const char *id);

/* The command as it was given, once. 1: a test hung, and `test` and what follows it are set; 0: none; or a
 * negative errno as rw_isolate_try() has it. */
int rw_isolate_first(struct isolate *isolate, char **why);

/* The test once, after those. 1: it hung; 0: it did not; -EINTR; -ETIME: the limit is over; or another
 * negative errno: no try could be made, and *why says so. */
int rw_isolate_try(struct isolate *isolate, const size_t *tests, size_t count, char **why);

/* Prints the answer's lines on stdout. */
void rw_isolate_tell_command(const struct isolate *isolate, const size_t *tests, size_t count);

#endif
