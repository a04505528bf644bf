/* SPDX-License-Identifier: MIT */
/* What lies in a folder: incidents, and sessions with their recordings. Reads names only. */
#ifndef RACEWATCH_TOOLS_COMMAND_FOUND_H
#define RACEWATCH_TOOLS_COMMAND_FOUND_H

#include <stdbool.h>
#include <stddef.h>

struct rw_found_session {
    const char *path;
    bool is_watched; /* its monitor lives */
    bool has_untold; /* a recording in it is none of an incident's */
};

struct rw_found {
    const char **incidents; /* paths of incident.json, in the order of their folders' names */
    size_t incident_count;
    struct rw_found_session *sessions;
    size_t session_count;
    const char *index; /* path of index.json in a folder for reports; NULL where there is none */
    bool is_single;    /* the path named one incident or session */
};

/* `path`: a folder for reports, an incident's folder, an incident.json, or a session's folder. Everything is
 * a talloc child of `parent`. 0; -ENOENT where there is nothing of ours, or another negative errno, with
 * *why. */
int rw_find(void *parent, const char *path, struct rw_found *found, char **why);

#endif
