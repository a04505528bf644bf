/* SPDX-License-Identifier: MIT */
/*
 * The options of shim/options.def as a structure: from the environment, from flags, and back into a string
 * for the processes that a run starts. One table makes the fields, the parser, the flags and the help.
 */
#ifndef RACEWATCH_TOOLS_OPTIONS_OPTIONS_H
#define RACEWATCH_TOOLS_OPTIONS_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

typedef double rw_option_SECONDS;
typedef long rw_option_COUNT;
typedef bool rw_option_FLAG;
typedef const char *rw_option_TEXT;
typedef const char *rw_option_CHOICE;

/* A talloc context that owns its strings. `is_set` tells an option that somebody gave from its default. */
struct rw_options {
#define RW_OPTION(key, type, standard, help) rw_option_##type key;
#include "shim/options.def"
#undef RW_OPTION
    struct {
#define RW_OPTION(key, type, standard, help) bool key;
#include "shim/options.def"
#undef RW_OPTION
    } is_set;
};

/* A row of the table; `name` is the flag's, with "-" for "_". */
struct rw_option_row {
    const char *key;
    const char *name;
    const char *value_word; /* "SECONDS" etc. */
    const char *standard;
    const char *help;
};

struct rw_options *rw_options_new(void *parent); /* the defaults */

/* `key` with "_" or "-"; `value` NULL: a word alone, which switches a flag on. 0; -ENOENT: no such option;
 * -EINVAL: not such a value. *why is then a talloc child of options, one message for people. */
int rw_options_set(struct rw_options *options, const char *key, const char *value, char **why);

/* RACEWATCH_OPTIONS, RACEWATCH_DIR, TEST_UNDECLARED_OUTPUTS_DIR and TEST_TIMEOUT. What is wrong in them is
 * one line each on `warnings` (may be NULL) and otherwise ignored. */
void rw_options_from_environment(struct rw_options *options, FILE *warnings);

/* "key=value:..." of the options that were set, without `dir` (it may hold a colon; it travels in
 * RACEWATCH_DIR), `deadline` (the run's affair) and `help`. A talloc child of `parent`, "" if there are none.
 */
char *rw_options_string(void *parent, const struct rw_options *options);

/* The table's rows in its order, ended by a row with a NULL key. */
const struct rw_option_row *rw_option_rows(void);

void rw_options_print(FILE *out); /* the table for people */

#endif
