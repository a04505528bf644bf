/* SPDX-License-Identifier: MIT */
/* A pytest command taken apart, so that it can be run with other tests; and the order of its tests. */
#ifndef RACEWATCH_TOOLS_COMMAND_ISOLATE_PYTEST_H
#define RACEWATCH_TOOLS_COMMAND_ISOLATE_PYTEST_H

#include <stdbool.h>
#include <stddef.h>

#include "tools/command/child_run.h"

struct rw_pytest {
    char **launcher; /* up to the word that is pytest; ends with NULL, as the others do */
    char **
        options; /* for a run of chosen tests: without what selects tests, stops early, or runs in parallel */
    char **all;  /* as given, without what runs in parallel */
    bool was_parallel; /* -n and the like were dropped */
    /* rw_pytest_collect() */
    bool knows_xdist;
    const char *up; /* "../" as often as it takes from the working directory to where the ids begin */
    char **ids;     /* in the order in which they run; ends with NULL */
    size_t count;
};

/* A talloc child of `parent`; NULL if the command does not run pytest, and *why then says so. */
struct rw_pytest *rw_pytest_parse(void *parent, char *const *command, char **why);

/* Asks pytest which tests it would run. `folder` is for its output, `end_s` the time limit. 0, -EINTR, or
 * another negative errno with *why. */
int rw_pytest_collect(struct rw_pytest *pytest, const struct rw_child_signals *signals, const char *folder,
                      double end_s, char **why);

/* Appends to argv what runs these tests, by their index, and no others, in this order. */
void rw_pytest_command(const struct rw_pytest *pytest, void *parent, char ***argv, const size_t *tests,
                       size_t count);

#endif
