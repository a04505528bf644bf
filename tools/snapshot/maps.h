/* SPDX-License-Identifier: MIT */
/*
 * What is mapped where: /proc/PID/maps parsed, of a living process or from a text that was saved. Mappings
 * are in the order of their addresses. Allocated under the given talloc parent; immutable once made; any one
 * thread at a time.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_MAPS_H
#define RACEWATCH_TOOLS_SNAPSHOT_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rw_mapping {
    uint64_t start, end; /* end exclusive */
    uint64_t offset;     /* in the file */
    uint64_t device;     /* as the maps have it; an overlay file system's stat() says another */
    uint64_t inode;      /* 0: no file */
    bool readable, writable, executable, shared;
    bool is_deleted;  /* the file has been unlinked or replaced since */
    const char *path; /* without " (deleted)"; "[stack]", "[vdso]" and the like; NULL if anonymous */
};

struct rw_maps {
    struct rw_mapping *items; /* a talloc array */
    size_t count;
};

/* The maps of a living process, through whichever of its threads lives: the leader's are empty once it ended
 * by pthread_exit. 0; -ESRCH when no thread lives; -EACCES where the kernel refuses. */
int rw_maps_live(void *parent, int pid, struct rw_maps **out);

/* The maps in a text of the same form. Lines that make no sense are left out. 0 or -ENOMEM. */
int rw_maps_parse(void *parent, const char *text, size_t length, struct rw_maps **out);

/* The same from a file; 0 or a negative errno. Not more than 16 MiB of it is read. */
int rw_maps_saved(void *parent, const char *file, struct rw_maps **out);

/* The mapping that holds `address`, or NULL. */
const struct rw_mapping *rw_maps_find(const struct rw_maps *maps, uint64_t address);

/* Whether the file of that path is mapped and shared with others, as a recording is by its process: by inode,
 * for the path may be another there. True as well where nothing speaks against it: the file cannot be asked,
 * or no map was to be had. The second reads the map of a living process for it. */
bool rw_maps_share(const struct rw_maps *maps, const char *path);
bool rw_maps_live_share(int pid, const char *path);

#endif
