/* SPDX-License-Identifier: MIT */
#ifndef RACEWATCH_TOOLS_COMMAND_COMMAND_NAME_H
#define RACEWATCH_TOOLS_COMMAND_COMMAND_NAME_H

/* A command as a report may name it: the program, and the script or module that it runs. Other arguments may
 * hold secrets, and are left out. A talloc child of `parent`. */
char *rw_command_name(void *parent, char *const *argv);

#endif
