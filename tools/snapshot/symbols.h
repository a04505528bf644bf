/* SPDX-License-Identifier: MIT */
/*
 * Names for addresses and addresses for names, by libdw. A module's file is opened when an address in it is
 * first asked for, its debug information likewise. Nothing is fetched from a network.
 *
 * A talloc object, owned by its parent; any one thread at a time. Results are allocated where the caller says
 * and do not point into it.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_SYMBOLS_H
#define RACEWATCH_TOOLS_SNAPSHOT_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/incident/incident.h"

struct rw_symbols;
struct rw_modules;

/* `modules` must outlive it. NULL only for want of memory. */
struct rw_symbols *rw_symbols_new(void *parent, struct rw_modules *modules);

/* The frames at `pc`: inlined calls first, the function that holds the code last; at least one, whose
 * function is NULL if nothing is known. `is_return`: pc is a return address, so what is named is the call
 * before it. cfa is left 0. 0 or -ENOMEM. *frames is a talloc array under `ctx`, as are its strings; after
 * rw_symbols_share they may be those of the shared places. */
int rw_symbols_frames(struct rw_symbols *symbols, uint64_t pc, bool is_return, void *ctx,
                      struct rw_frame **frames, size_t *count);

/* The address of a function or variable by its name as the linker has it: dynamic symbols of the executable
 * and its libraries in the order in which they are mapped, then their full symbol tables. 0 if there is none.
 */
uint64_t rw_symbols_address_of(struct rw_symbols *symbols, const char *name);

/* The same, in the first module whose path's base name begins with `module`. */
uint64_t rw_symbols_address_in(struct rw_symbols *symbols, const char *module, const char *name);

/* Where a section was mapped: in the module of that path, or, with NULL, in the first that has one. 0 or
 * -ENOENT. */
int rw_symbols_section(struct rw_symbols *symbols, const char *path, const char *section, uint64_t *address,
                       uint64_t *size);

/* The name of the data object that holds `address`, "name" or "name+0x8", and the module's path, both under
 * `ctx`; 0 or -ENOENT. *object may come back NULL where only the module is known. */
int rw_symbols_data(struct rw_symbols *symbols, uint64_t address, void *ctx, const char **object,
                    const char **module);

/* "function (module+0x12)", or NULL where the address is in no module; fits rw_describe_fn, with the symbols
 * as its first argument. An address within a function is taken as a return address: its call is named. */
const char *rw_symbols_describe(void *symbols, uint64_t address, void *talloc_parent);

#endif
