/* SPDX-License-Identifier: MIT */
/*
 * The session: a folder for the recordings of a tree of processes, and the monitor that watches them. In the
 * constructor only.
 */
#ifndef RACEWATCH_SHIM_SESSION_BEGIN_H
#define RACEWATCH_SHIM_SESSION_BEGIN_H

#include <stdbool.h>

#include "shim/shim_options.h"

#define RW_SESSION_VARIABLE "RACEWATCH_SESSION" /* "<monitor's pid>:<absolute path of the folder>" */

/* Fills rw_session from the environment. False if there is no session, or its folder is gone. */
bool rw_session_join(void);

/* Makes the folder of a new session and fills rw_session. Returns 0 or a negative errno with `culprit` set to
 * the path that could not be made. `is_made` tells whether the out folder itself was made. */
int rw_session_begin(const struct rw_shim_options *options, bool *is_made, const char **culprit);

/* Takes the folders away again, those that are empty. */
void rw_session_undo(bool is_made);

/* Puts the session into the environment. */
void rw_session_export(void);

/* Starts the monitor and fills rw_session.monitor_pid. Returns 0 or a negative errno. See monitor_start.c. */
int rw_monitor_start(const struct rw_shim_options *options, bool is_made);

#endif
