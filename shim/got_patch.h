/* SPDX-License-Identifier: MIT */
/*
 * Sends the calls that a module makes to a function elsewhere, by changing the pointers that it calls
 * through: the slots of its global offset table. Sees less than a patch of the function's entry (nothing that
 * is called without such a slot), but may be done at any time, with any number of threads, and where code
 * must not be changed.
 */
#ifndef RACEWATCH_SHIM_GOT_PATCH_H
#define RACEWATCH_SHIM_GOT_PATCH_H

#include <stddef.h>

#include "shim/elf_module.h"

struct rw_got_patch {
    const char *name; /* NULL: not to be patched */
    const void *replacement;
};

/*
 * Patches in `module` every slot of the `count` functions. Pages that are read-only after relocation are
 * writable for a moment. Returns how many slots were changed, or a negative errno where one could not be.
 * Changes no errno.
 */
int rw_got_patch(const struct rw_elf_module *module, const struct rw_got_patch *patches, size_t count);

/* The same in all modules that are loaded. 0, or the last negative errno; the others are patched all the
 * same. */
int rw_got_patch_loaded(const struct rw_got_patch *patches, size_t count);

#endif
