/* SPDX-License-Identifier: MIT */
/*
 * A module's symbols by address. libdw's own search reads the whole table for each address, which is most of
 * what a look at a program of many symbols costs: here it is read once. For symbols.c.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_SYMBOL_INDEX_H
#define RACEWATCH_TOOLS_SNAPSHOT_SYMBOL_INDEX_H

#include <stdint.h>

#include <elfutils/libdwfl.h>

struct rw_symbol_index;

/* A talloc object under `parent`; NULL for want of memory. The module must outlive it. */
struct rw_symbol_index *rw_symbol_index_new(void *parent, Dwfl_Module *module);

/* The name, the module's own, of the symbol that holds the address, and how far into it that is. Global and
 * weak ones come before local ones, then the nearest, then global before weak, then the first of the table.
 * Where none that has a size holds it, what libdw finds: a label that is not far below. NULL if there is
 * none. */
const char *rw_symbol_index_find(const struct rw_symbol_index *index, uint64_t address, uint64_t *offset);

#endif
