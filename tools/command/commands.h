/* SPDX-License-Identifier: MIT */
/* The program's commands: each takes its own arguments (argv[0] is "racewatch NAME") and returns the exit
 * status. */
#ifndef RACEWATCH_TOOLS_COMMAND_COMMANDS_H
#define RACEWATCH_TOOLS_COMMAND_COMMANDS_H

#include <argp.h>

#define RW_EXIT_USAGE 2
/* As env(1) and timeout(1) have them, for `run`: it failed itself, found no way to run it, found no such
 * command. */
#define RW_EXIT_OWN 125
#define RW_EXIT_NOT_RUN 126
#define RW_EXIT_NOT_FOUND 127

int rw_command_run(int argc, char **argv);
int rw_command_hunt(int argc, char **argv);
int rw_command_isolate(int argc, char **argv);
int rw_command_monitor(int argc, char **argv);
int rw_command_report(int argc, char **argv);
int rw_command_dump(int argc, char **argv);
int rw_command_collect(int argc, char **argv);
int rw_command_recording(int argc, char **argv);
int rw_command_options(int argc, char **argv);

/* argp_parse, in order, with one line for a mistake instead of two, and `usage_status` for it. Exits on a
 * mistake, and after --help. */
void rw_parse(const struct argp *argp, int argc, char **argv, int usage_status, void *input);

/* "racewatch NAME: message" on stderr, and exits with the usage status that rw_parse was given. */
void rw_usage_error(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
