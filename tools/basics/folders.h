/* SPDX-License-Identifier: MIT */
/* Folders that are written into. Not for the process that is watched; any thread of ours. */
#ifndef RACEWATCH_TOOLS_BASICS_FOLDERS_H
#define RACEWATCH_TOOLS_BASICS_FOLDERS_H

#include <stdbool.h>

/* mkdir -p: only the last part is ours to close to others (0700). *made: it was not there before. `path` is
 * the same afterwards. 0; -ENOTDIR: something else is there; or another negative errno. */
int rw_make_folders(char *path, bool *made);

/* One folder in one that is there. 0, also where it is there already and belongs to us; -ENOTDIR: something
 * else is there, a link for one; -EPERM: it is somebody else's; or another negative errno. */
int rw_make_own_folder(const char *path);

/* A folder with all that is in it. Nothing happens where there is none; what cannot be removed stays. */
void rw_remove_tree(const char *path);

#endif
