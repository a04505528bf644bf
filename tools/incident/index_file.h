/* SPDX-License-Identifier: MIT */
/* index.json, which may be anybody's: a run that writes into a folder finds the one that was there before. */
#ifndef RACEWATCH_TOOLS_INCIDENT_INDEX_FILE_H
#define RACEWATCH_TOOLS_INCIDENT_INDEX_FILE_H

#include <jansson.h>
#include <stdbool.h>

/* A new reference; NULL where there is none, or what there is cannot be one of ours: no regular file, a link,
 * more than 16 MiB, no JSON, or without a schema and incidents. `path` is relative to the open folder `at`,
 * or to the current one with AT_FDCWD. *is_unknown, where it is not NULL: there may be one, but it could not
 * be read (I/O error, no memory, no descriptor), so it is not to be replaced. */
json_t *rw_index_read(int at, const char *path, bool *is_unknown);

#endif
