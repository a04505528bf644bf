/* SPDX-License-Identifier: MIT */
/*
 * The sorted table of a module's unwind information: the one that the linker made (.eh_frame_hdr), or, where
 * it made none (static executables), one made here of .eh_frame. For unwind.c.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_FRAME_TABLE_H
#define RACEWATCH_TOOLS_SNAPSHOT_FRAME_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/snapshot/image.h"
#include "tools/snapshot/module.h"

/* Looks for or makes the table of an opened module, once; true if there is one: module->table, its entries
 * and base. */
bool rw_frame_table(struct rw_image *image, struct rw_module *module);

/* A word of a table that was made here. Those have addresses that no program can have, so that libunwind can
 * read them like the others. False where the address is not of one. */
bool rw_frame_table_word(const struct rw_modules *modules, uint64_t address, uint64_t *word);

#endif
