/* SPDX-License-Identifier: MIT */
/*
 * The session: a folder for the recordings of a tree of processes, and the monitor that watches them. In the
 * constructor only.
 */
#ifndef RACEWATCH_SHIM_SESSION_BEGIN_H
#define RACEWATCH_SHIM_SESSION_BEGIN_H

#include <stdbool.h>

#include "shim/shim_options.h"

#define RW_SESSION_VARIABLE                                                                                  \
    "RACEWATCH_SESSION" /* "<monitor's pid>@<its pid namespace>:<absolute path of the                        \
                          folder>", the namespace only where it is known; or "none:<path>"                   \
                          where a process above could not make it */

/* Fills rw_session from the environment. 0, or a negative errno: -ENOENT if there is no session, or its
 * folder is gone; -EACCES if it is closed to this user. */
int rw_session_join(void);

/* Finds out whether this process is in another pid namespace than the session's monitor, whose pid then means
 * somebody else: rw_session forgets it. In a new process image, and in a fork child. */
void rw_session_locate(void);

/* Makes the folder of a new session and fills rw_session. Returns 0 or a negative errno with `culprit` set to
 * the path that could not be made. `is_made` tells whether the out folder itself was made. */
int rw_session_begin(const struct rw_shim_options *options, bool *is_made, const char **culprit);

/* Takes the folders away again, those that are empty. */
void rw_session_undo(bool is_made);

/* Puts the session into the environment. */
void rw_session_export(void);

/* Puts there instead that there is none, so that of a whole tree of processes only the first one says so.
 * `dir` as it was given, which is the same wherever a process of the tree has gone. */
void rw_session_refuse(const char *dir);

/* Whether a process above has said that nothing can be recorded; in this folder, or anywhere. */
bool rw_session_is_refused(const char *dir);
bool rw_session_is_refused_anywhere(void);

/* Starts the monitor and fills rw_session.monitor_pid. Returns 0 or a negative errno. -EXDEV: the next child
 * is to be the first of a new pid namespace. See monitor_start.c. */
int rw_monitor_start(const struct rw_shim_options *options, bool is_made);

#endif
