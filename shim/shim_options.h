/* SPDX-License-Identifier: MIT */
/* What the shim itself needs of RACEWATCH_OPTIONS. In the constructor only. */
#ifndef RACEWATCH_SHIM_SHIM_OPTIONS_H
#define RACEWATCH_SHIM_SHIM_OPTIONS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "shim/perturb.h"

/* What most often stays empty comes last, and zeros are not written again: a page that is not touched costs
 * a start nothing. */
struct rw_shim_options {
    bool is_help;
    bool is_recording_locks; /* lock_owners */
    bool is_crash_told, is_lock_order_watched;
    enum rw_perturb_mode perturb; /* by delays where only a seed is given */
    bool is_perturb_given;
    uint64_t seed;
    char unknown[64];       /* the first key that is none, "" if all are known */
    char steer[256];        /* "" if it was not given */
    char dir[PATH_MAX + 1]; /* as it was given, or the default; longer than a path may be: cut */
    char monitor[PATH_MAX]; /* "" if it was not given */
    char replay[PATH_MAX];  /* the same */
};

/* `options` must be zero: static, or cleared. */
void rw_shim_options_read(struct rw_shim_options *options);

/* Prints the table on stderr. */
void rw_shim_options_print(void);

/* Writes the line on stderr. A broken pipe there does not end the program; errno is kept. */
void rw_say(const char *line);

#endif
