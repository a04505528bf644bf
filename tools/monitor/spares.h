/* SPDX-License-Identifier: MIT */
/*
 * Files of recordings that nobody needs any more, left in the session's folder for the processes that come
 * next (shim/recording.h: RW_SPARE_MAX). To make a file where many have just been removed is slow on ext4,
 * which passes over every inode that was freed in the last minutes: some 0.4 us each, at each creation.
 */
#ifndef RACEWATCH_TOOLS_MONITOR_SPARES_H
#define RACEWATCH_TOOLS_MONITOR_SPARES_H

#include <stdbool.h>

/* So many keep their blocks on the disk: 22 MiB. The others take no room. */
#define RW_SPARES_WITH_ROOM 64u

/*
 * Makes the recording `path` in `folder` a spare one. No process may have it
 * mapped, which the caller knows by the process; the file system is asked as well, for a child that its
 * parent made by a bare system call shares the mapping and may outlive it. False: it stays as it is, because
 * somebody has it, there are enough, or the file system cannot do it or does not know who has files mapped
 * (overlayfs). Takes a lease for a moment: SIGIO must not end the caller.
 */
bool rw_spares_add(const char *folder, const char *path);

/* Removes all of them from `folder`. */
void rw_spares_clear(const char *folder);

#endif
