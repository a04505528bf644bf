/* SPDX-License-Identifier: MIT */
/*
 * The session's folder: OUT/recordings/<unix seconds, hex>-<pid>-<random>. The watched processes record into
 * it, the monitor of the run owns it and holds a lock on it for as long as it lives: whoever gets that lock
 * knows that nobody watches any more.
 *
 * Folders are 0700. Nothing is ever opened through a symbolic link inside OUT; OUT itself is the user's to
 * choose.
 */
#ifndef RACEWATCH_TOOLS_MONITOR_SESSION_H
#define RACEWATCH_TOOLS_MONITOR_SESSION_H

#include <stdbool.h>

struct rw_session {
    const char *out;  /* absolute */
    const char *path; /* absolute, inside out */
    const char *name; /* last part of path */
    bool made_out;    /* OUT did not exist before */
    int out_fd;
    int recordings_fd; /* -1: it could not be opened */
    int fd;
};

/* A new session. `dir` is made absolute against the working directory, and made if it is missing. 0 or a
 * negative errno; *why is then a talloc child of `parent`, one message for people. A folder without room
 * counts as -ENOSPC. */
int rw_session_create(void *parent, const char *dir, struct rw_session **session, char **why);

/* One that the shim has made. */
int rw_session_open(void *parent, const char *path, bool made_out, struct rw_session **session, char **why);

/* The errno with which a process of the run could make no recording in the folder, as it left it there
 * (RW_REFUSAL_NAME); 0 where none did. It is gone afterwards. */
int rw_session_take_refusal(const struct rw_session *session);

/* Removes the folder if it is empty. 0: gone; -ENOTEMPTY: somebody uses it; or another negative errno. */
int rw_session_remove(struct rw_session *session);

/* Removes OUT/recordings, and OUT where this session made it, if they are empty; closes and frees the
 * session. May be called after rw_session_remove failed. */
void rw_session_close(struct rw_session *session);

/* Whether a monitor lives that owns the session folder at `path`. */
bool rw_session_is_watched(const char *path);

#endif
