/* SPDX-License-Identifier: MIT */
/* Files in folders that somebody else may have been in. Not for the process that is watched; any thread. */
#ifndef RACEWATCH_TOOLS_BASICS_FILES_H
#define RACEWATCH_TOOLS_BASICS_FILES_H

#include <stdbool.h>

/* A new file, 0600, to write into: a descriptor, or a negative errno. What had the name before, a link or a
 * FIFO too, is taken away and not written into. `path` is looked for from `folder`, as openat() does. */
int rw_new_file(int folder, const char *path);

/* A file to read that is one: a descriptor, or a negative errno, -EINVAL for anything but a regular file. A
 * FIFO does not hold the caller up, and no device is opened: opening alone starts a watchdog or winds a tape.
 * `flags`: O_NOFOLLOW, so that a link at the end of the path is -ELOOP, or 0. */
int rw_open_regular(int folder, const char *path, int flags);

/* flock(LOCK_EX), for two runs that would mix what they write. Whoever may open a folder may lock it, and be
 * stopped then: false after two seconds. The lock goes with the descriptor. */
bool rw_lock(int fd);

#endif
