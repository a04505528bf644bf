/* SPDX-License-Identifier: MIT */
/*
 * Where `racewatch run` itself breaks, by a fault of its own or without memory, the program shall not notice:
 * its exit status is still told, and signals to the run still reach it. For rw_command_run() alone.
 */
#ifndef RACEWATCH_TOOLS_COMMAND_LAST_RESORT_H
#define RACEWATCH_TOOLS_COMMAND_LAST_RESORT_H

#include <signal.h>
#include <sys/types.h>

/* From here on a fatal signal of this process makes it the program: `command` with `environment`, both as
 * execvpe(3) takes them, with what is blocked now, after restore_signals(). All of this must stay. */
void rw_last_resort_begin(char *const *command, char *const *environment, void (*restore_signals)(void));

/* The program is there: from here on it is waited for instead. `taken`: signals that are passed on to it;
 * must stay. */
void rw_last_resort_child(pid_t child, const sigset_t *taken);

/* It has ended, and has been waited for: this is what wait() said. */
void rw_last_resort_status(int wait_status);

#endif
