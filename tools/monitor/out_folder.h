/* SPDX-License-Identifier: MIT */
/*
 * The folder for people and CI: NNN-<class>/{report.txt,incident.json} for each incident, and index.json over
 * all of them. Two runs may write into one folder at once; every change of the index is made under a lock on
 * the folder and appears by a rename. Nothing is followed through a symbolic link, files are 0600.
 */
#ifndef RACEWATCH_TOOLS_MONITOR_OUT_FOLDER_H
#define RACEWATCH_TOOLS_MONITOR_OUT_FOLDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "tools/incident/incident.h"

struct rw_out;

/* `fd` is the folder, open, and must outlive the result; `path` its name for messages; `run` names the run in
 * the index; `command` may be NULL. A talloc object. */
struct rw_out *rw_out_new(void *parent, int fd, const char *path, const char *run, const char *command);

void rw_out_set_command(struct rw_out *out, const char *command);

/* Writes an incident's folder and names it in the index. `recordings` are paths relative to the folder. *name
 * is the incident's folder, relative, a talloc child of `out`; NULL if not even the folder could be made. 0,
 * or the first error met (what fitted is there): -ENOSPC on a full disk. */
int rw_out_add(struct rw_out *out, const struct rw_incident *incident, const char *const *recordings,
               size_t recording_count, const char **name);

/* Counts an incident that is over the limit: its sentence is kept in the index, and nothing else. */
void rw_out_count(struct rw_out *out, const struct rw_incident *incident);

/* What the run's tests left behind, as the index is to have it: takes over the reference. */
void rw_out_set_tests(struct rw_out *out, json_t *tests);

/* A sentence about the run for the index. */
void rw_out_note(struct rw_out *out, const char *note);

/* Writes the index; `exit_status` -1 while the run lasts. */
int rw_out_write_index(struct rw_out *out, int exit_status);

#endif
