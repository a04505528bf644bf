/* SPDX-License-Identifier: MIT */
/*
 * A process as it is seen from outside: its memory, what is mapped where, and the names. For a living
 * process, or for one of which only the recording and the saved maps are left. A talloc object; any one
 * thread at a time.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_IMAGE_H
#define RACEWATCH_TOOLS_SNAPSHOT_IMAGE_H

#include "tools/snapshot/maps.h"
#include "tools/snapshot/memory.h"
#include "tools/snapshot/symbols.h"

struct rw_modules;
struct rw_unwinder;

struct rw_image {
    int pid;
    struct rw_memory *memory;
    struct rw_maps *maps;       /* never NULL; empty where nothing could be had */
    struct rw_modules *modules; /* module.h; for this folder */
    struct rw_symbols *symbols;
    struct rw_unwinder *unwinder; /* unwind.h; made at the first use */
    const char *note;             /* NULL, or what could not be had and why */
};

/* A living process. `saved_maps` (may be NULL) names a file to take the maps from where the kernel refuses
 * those of the process. 0; -ESRCH where it is gone; -ENOMEM. A refusal is no error: it is in `note`. */
int rw_image_open(void *parent, int pid, const char *saved_maps, struct rw_image **out);

/* A process that is gone: read-only memory comes from the mapped files, as far as they are still the same. 0
 * or a negative errno from reading `saved_maps`. */
int rw_image_saved(void *parent, int pid, const char *saved_maps, struct rw_image **out);

#endif
