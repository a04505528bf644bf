/* SPDX-License-Identifier: MIT */
/*
 * What code is where in a file, and where a name is, for all processes of a look. Five hundred workers run
 * the same executable and the same libraries, and to read the symbols of those is most of what a process
 * costs: so what one of them has asked for is not worked out again for the next.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_SHARED_PLACES_H
#define RACEWATCH_TOOLS_SNAPSHOT_SHARED_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/incident/incident.h"

struct rw_module;
struct rw_shared_places;
struct rw_symbols;

/* A talloc object; any one thread at a time. */
struct rw_shared_places *rw_shared_places_new(void *parent);

/* The symbols take what is known, and add what they find. `places` must outlive them, and all frames that
 * they hand out: ten thousand threads that are at one place have its strings once. */
void rw_symbols_share(struct rw_symbols *symbols, struct rw_shared_places *places);

/* For symbols.c. The frames at an offset in the file of an opened module, with the pc and the path of the
 * first process that asked; NULL where nobody has, or where the module has no believed file. */
const struct rw_frame *rw_shared_places_find(const struct rw_shared_places *places,
                                             const struct rw_module *module, uint64_t offset, bool is_return,
                                             size_t *count);
/* Copies of the frames, which the others may then find; NULL where they are not kept. */
const struct rw_frame *rw_shared_places_add(struct rw_shared_places *places, const struct rw_module *module,
                                            uint64_t offset, bool is_return, const struct rw_frame *frames,
                                            size_t count);

/* For symbols_find.c. Whether a symbol table (SHT_DYNSYM, SHT_SYMTAB) of the module's file has that name, and
 * its value there: 1, 0, or -1 where nobody has asked. The module need not be opened: to know that a name is
 * not there is to have no reason to. */
int rw_shared_name_find(const struct rw_shared_places *places, const struct rw_module *module, uint32_t table,
                        const char *name, uint64_t *value);
void rw_shared_name_add(struct rw_shared_places *places, const struct rw_module *module, uint32_t table,
                        const char *name, bool is_there, uint64_t value);

#endif
