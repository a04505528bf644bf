/* SPDX-License-Identifier: MIT */
/*
 * A program that gives itself a seccomp filter, see rw_is_confined in self.h. Internal to shim/; any thread.
 * Around the call:
 *     struct rw_confining before = rw_confine_begins();
 *     ... the call ...
 *     rw_confine_ends(before, whether it succeeded);
 * errno is kept.
 */
#ifndef RACEWATCH_SHIM_CONFINE_H
#define RACEWATCH_SHIM_CONFINE_H

#include <stdbool.h>

struct rw_confining {
    bool is_elsewhere; /* in a child of vfork: it confines itself, not the process that is recorded */
    bool had_crashes;
};

/* Lets go of the fatal signals: their handler makes calls that the filter may refuse. */
struct rw_confining rw_confine_begins(void);

void rw_confine_ends(struct rw_confining before, bool is_done);

#endif
