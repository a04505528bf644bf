/* SPDX-License-Identifier: MIT */
/* What commands say to people: names of threads, tests and files are the program's, and may hold any byte. */
#ifndef RACEWATCH_TOOLS_COMMAND_TELL_H
#define RACEWATCH_TOOLS_COMMAND_TELL_H

#include <stdio.h>

/* One line, and its end. What could end it sooner, or talk to a terminal, is written as \n or \xNN: the log
 * of a CI takes some lines for commands. */
void rw_tell(FILE *file, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends each word with a space before it, as a shell takes it back, to a talloc string: what is returned
 * takes its place. `words` ends with NULL. */
char *rw_shell_words(char *text, char *const *words);

#endif
