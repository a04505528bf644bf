/* SPDX-License-Identifier: MIT */
/* What symbols.c (addresses to names) and symbols_find.c (names to addresses) share. */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_SYMBOLS_INTERNAL_H
#define RACEWATCH_TOOLS_SNAPSHOT_SYMBOLS_INTERNAL_H

#include <elfutils/libdwfl.h>

#include "tools/snapshot/module.h"
#include "tools/snapshot/symbols.h"

struct rw_place;
struct rw_data;
struct rw_named;
struct rw_shared_places;

struct rw_symbols {
    struct rw_modules *modules;
    Dwfl *dwfl;
    struct rw_place *places; /* what was asked for already */
    struct rw_data *data;
    struct rw_named *named;
    struct rw_shared_places *shared; /* NULL: with nobody */
};

/* Empties the tables that symbols_find.c keeps. */
void rw_symbols_forget_found(struct rw_symbols *symbols);

#endif
