/* SPDX-License-Identifier: MIT */
/* The commands that only hand on: racewatch recording, racewatch options. */
#include <stdio.h>

#include <talloc.h>

#include "tools/command/commands.h"
#include "tools/options/options.h"
#include "tools/recording/print.h"

static error_t parse_path(int key, char *argument, struct argp_state *state)
{
    const char **path = state->input;
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    if (*path != NULL)
        rw_usage_error("one recording at a time");
    *path = argument;
    return 0;
}

int rw_command_recording(int argc, char **argv)
{
    struct argp argp = {
        .parser = parse_path, .args_doc = "FILE", .doc = "Print a recording (.rec) as it is."};
    const char *path = NULL;
    rw_parse(&argp, argc, argv, RW_EXIT_USAGE, &path);
    if (path == NULL)
        rw_usage_error("which recording? (racewatch recording FILE)");
    char *why;
    int error = rw_recording_print(path, stdout, &why);
    if (error != 0)
        fprintf(stderr, "racewatch recording: %s: %s\n", path, why);
    talloc_free(why);
    return error == 0 ? 0 : 1;
}

static error_t parse_nothing(int key, char *argument, struct argp_state *state)
{
    (void)state;
    if (key == ARGP_KEY_ARG)
        rw_usage_error("what is '%s'? This command takes no arguments", argument);
    return ARGP_ERR_UNKNOWN;
}

int rw_command_options(int argc, char **argv)
{
    struct argp argp = {.parser = parse_nothing, .doc = "Print all options and their defaults."};
    rw_parse(&argp, argc, argv, RW_EXIT_USAGE, NULL);
    rw_options_print(stdout);
    return 0;
}
