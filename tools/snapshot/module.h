/* SPDX-License-Identifier: MIT */
/*
 * Modules: the ELF files among the mappings, found by address and opened when they are first needed. For this
 * folder.
 *
 * A file is believed only if it still is what was mapped: its first page is compared with the process'
 * memory, or, where there is no memory to compare with, its inode with the one in the maps. A module without
 * a believed file can still be unwound through, since its program headers and tables are in memory; it has no
 * names but those of its path.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_MODULE_H
#define RACEWATCH_TOOLS_SNAPSHOT_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gelf.h>

#include "tools/snapshot/maps.h"
#include "tools/snapshot/memory.h"

struct Dwfl_Module;
struct rw_made_table;
struct rw_symbol_index;

struct rw_segment {
    uint64_t address, offset, file_size, memory_size; /* address: as linked */
    bool writable, executable;
};

#define RW_SEGMENTS_MAX 16u

struct rw_module {
    const char *path;               /* as in the maps; never NULL */
    uint64_t start, end;            /* of its mappings */
    const struct rw_mapping *first; /* and those that follow, up to `end` */
    /* from here on valid once opened; see rw_module_open */
    int opened;             /* 0 not tried, 1 is an ELF file, negative errno: is none or nothing can be had */
    uint64_t bias;          /* address in the process - address as linked */
    int fd;                 /* of the believed file, -1 */
    Elf *elf;               /* the same, NULL where the file is not believed */
    uint64_t device, inode; /* which file it is; 0: none that others could have mapped */
    struct rw_segment segments[RW_SEGMENTS_MAX];
    unsigned segment_count;
    uint64_t eh_frame_hdr; /* address in the process, 0 if there is none */
    uint64_t eh_frame_hdr_size;
    char build_id[65];   /* hex, "" if not known */
    int table_state;     /* frame_table.h: 0 not looked at, 1 usable, -1 none */
    uint64_t table_base; /* what its offsets are relative to */
    uint64_t table_address;
    uint64_t table_entries;
    struct rw_made_table *made_table;
    struct Dwfl_Module *dwfl;           /* symbols.c */
    struct rw_symbol_index *by_address; /* the same; NULL without dwfl */
    bool dwfl_tried;
    bool has_costly_lines; /* debug_file.c: its debug information would have to be unpacked first */
    struct rw_modules *modules;
};

struct rw_modules {
    int pid;
    bool is_live;
    struct rw_memory *memory; /* of the process; NULL while there is none */
    struct rw_maps *maps;
    struct rw_module *items; /* in the order of addresses */
    size_t count;
};

/* `maps` and `memory` must outlive it; `memory` may be NULL. A talloc object; its destructor closes the
 * files. */
struct rw_modules *rw_modules_new(void *parent, int pid, struct rw_maps *maps, struct rw_memory *memory);

/* The module whose mappings hold `address`, not opened yet; NULL if there is none. */
struct rw_module *rw_modules_find(struct rw_modules *modules, uint64_t address);

/* 0, or the negative errno of the first try. */
int rw_module_open(struct rw_modules *modules, struct rw_module *module);

/* Bytes of a read-only mapping, out of its file; -EFAULT where there is none or the file is not believed. */
int rw_modules_read(struct rw_modules *modules, uint64_t address, void *buffer, size_t length);

/* A file of the process' own view of the file system, opened for reading; or a negative errno. */
int rw_modules_open_path(const struct rw_modules *modules, const char *path);

#endif
