/* SPDX-License-Identifier: MIT */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_FILE_LOCK_H
#define RACEWATCH_TOOLS_SNAPSHOT_FILE_LOCK_H

#include <stdint.h>

/* The process that holds the file lock (flock, fcntl) which process `pid` waits for on the file of this
 * inode; -1 if /proc/locks does not tell (locks of open file descriptions have no process). */
int rw_file_lock_holder(int pid, uint64_t inode);

#endif
