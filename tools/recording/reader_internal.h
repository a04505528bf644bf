/* SPDX-License-Identifier: MIT */
/* What reader.c (the file and its header) and entries.c (the tables in it) share. */
#ifndef RACEWATCH_TOOLS_RECORDING_READER_INTERNAL_H
#define RACEWATCH_TOOLS_RECORDING_READER_INTERNAL_H

#include <sys/types.h>

#include "tools/recording/reader.h"

/* All of a slot that its sequence counter guards and that rw_reader_slot hands out. */
#define RW_SLOT_HEAD offsetof(struct rw_slot, capture)

/* The last copy of a slot that was found whole. */
struct rw_slot_cache {
    bool is_valid;
    unsigned char bytes[RW_SLOT_HEAD];
};

struct rw_reader {
    char *path;
    int fd;
    dev_t device;
    ino_t inode;
    struct rw_header header;
    char note[120];
    struct rw_slot_cache *cache;
    unsigned cached_slots;
};

/* Reads exactly `size` bytes at `offset`; -EBADMSG if the file ends before. */
int rw_reader_read(const struct rw_reader *reader, uint64_t offset, void *buffer, size_t size);

/* Makes a string of a fixed-size field. */
#define RW_TERMINATE(field) ((field)[sizeof(field) - 1] = '\0')

#endif
