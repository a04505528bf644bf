/* SPDX-License-Identifier: MIT */
/* A listing of one recording, for people who debug racewatch itself. */
#ifndef RACEWATCH_TOOLS_RECORDING_PRINT_H
#define RACEWATCH_TOOLS_RECORDING_PRINT_H

#include <stdio.h>

/* Prints a recording as text: header, problems, tests, interpreters, semaphores held, slots with their
 * events. Bytes that are not printable are escaped. 0 or a negative errno, *why then being a message for
 * people (free it with talloc_free()), else NULL. */
int rw_recording_print(const char *path, FILE *out, char **why);

#endif
