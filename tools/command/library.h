/* SPDX-License-Identifier: MIT */
#ifndef RACEWATCH_TOOLS_COMMAND_LIBRARY_H
#define RACEWATCH_TOOLS_COMMAND_LIBRARY_H

/* The absolute path of libracewatch.so: beside this program, or where a build or an installation puts it. A
 * talloc child of `parent`; NULL with a sentence in *why. */
char *rw_find_library(void *parent, char **why);

#endif
