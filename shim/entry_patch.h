/* SPDX-License-Identifier: MIT */
/*
 * Sends the calls of a function elsewhere by a jump at its entry, whoever calls it and however. x86-64.
 *
 * The caller must be the only thread of the process: a thread that runs the very bytes would meet half an
 * instruction.
 */
#ifndef RACEWATCH_SHIM_ENTRY_PATCH_H
#define RACEWATCH_SHIM_ENTRY_PATCH_H

#include <stddef.h>

#include "shim/elf_module.h"

struct rw_entry_patch {
    struct rw_elf_function function;
    const void *replacement; /* takes the same arguments and returns the same */
    /* Filled in: */
    void *original; /* callable as the function was; NULL where it could not be patched. Valid for ever */
    int error;      /* 0 or a negative errno: those of rw_x86_move, mmap and mprotect */
};

/*
 * Patches `count` functions of `module`, each on its own: one that cannot be patched is left as it was and
 * has its error set. Costs a page of memory near the module and four mprotect. Permissions of the module's
 * code are as before afterwards, and no page is both writable and executable. Returns how many were patched.
 * Changes no errno.
 */
size_t rw_entry_patch(const struct rw_elf_module *module, struct rw_entry_patch *patches, size_t count);

#endif
