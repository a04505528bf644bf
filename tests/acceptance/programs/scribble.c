/* SPDX-License-Identifier: MIT */
/* Alters a recording: scribble FILE THREAD-NAME FIELD VALUE; prints what was there before. */
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "shim/recording.h"

#define FIELD(name)                                                                                          \
    {                                                                                                        \
#name, offsetof(struct rw_slot, name), sizeof(((struct rw_slot *)0)->name)                           \
    }

static const struct {
    const char *name;
    size_t offset, size;
} fields[] = {
    FIELD(sequence),
    FIELD(generation),
    FIELD(state),
    FIELD(flags),
    FIELD(pthread),
    FIELD(tid),
    FIELD(creator_tid),
    FIELD(creator_slot),
    FIELD(since_ns),
    FIELD(exited_ns),
    FIELD(wait.kind),
    FIELD(wait.object),
    FIELD(wait.object2),
    FIELD(interpreter_call.op),
    FIELD(capture.stack_address),
    FIELD(lifecycle_written),
    FIELD(waits_written),
};

int main(int count, char **arguments)
{
    int fd = count == 5 ? open(arguments[1], O_RDWR) : -1;
    struct stat status;

    if (fd < 0 || fstat(fd, &status))
        return 2;
    unsigned char *file = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    const struct rw_header *header = (const void *)file;

    for (uint32_t i = 0; file != MAP_FAILED && i < header->slot_used; i++) {
        struct rw_slot *slot = (void *)(file + header->slot_offset + (size_t)i * header->slot_size);
        const char *name = slot->flags & RW_SLOT_MAIN ? "main" : slot->name;
        if (strcmp(name, arguments[2]) != 0)
            continue;
        for (size_t j = 0; j < sizeof(fields) / sizeof(fields[0]); j++) {
            uint64_t before = 0, after = strtoull(arguments[4], NULL, 0);
            if (strcmp(fields[j].name, arguments[3]) != 0)
                continue;
            memcpy(&before, (char *)slot + fields[j].offset, fields[j].size);
            memcpy((char *)slot + fields[j].offset, &after, fields[j].size);
            printf("%" PRIu64 "\n", before);
            return 0;
        }
    }
    return 1;
}
