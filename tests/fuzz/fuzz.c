/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/recording/make_recording.h"

static char *folder;

static void remove_it(void)
{
    remove_folder(folder);
}

static void must(bool is_so)
{
    if (!is_so)
        abort();
}

const char *fuzz_patched_open(struct fuzz_patched *file, const char *name, const uint8_t *good, size_t size)
{
    if (folder == NULL) {
        folder = make_folder();
        atexit(remove_it);
    }
    char *path = NULL;
    must(asprintf(&path, "%s/%s", folder, name) > 0);
    *file = (struct fuzz_patched){good, size, open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), path};
    must(file->fd >= 0 && write(file->fd, good, size) == (ssize_t)size);
    return path;
}

struct patch {
    size_t at, length;
    const uint8_t *bytes;
    bool cuts;
};

static struct patch patch_at(const struct fuzz_patched *file, const uint8_t *patch)
{
    uint32_t where;
    memcpy(&where, patch, sizeof(where));
    struct patch found = {.at = where % file->size, .bytes = patch + 4, .cuts = patch[12] & 0x80};
    found.length = (size_t)1 << (patch[12] & 3);
    if (found.length > file->size - found.at)
        found.length = file->size - found.at;
    return found;
}

void fuzz_patch(struct fuzz_patched *file, const uint8_t *patches, size_t size)
{
    for (; size >= FUZZ_PATCH; patches += FUZZ_PATCH, size -= FUZZ_PATCH) {
        struct patch patch = patch_at(file, patches);
        if (patch.cuts)
            must(ftruncate(file->fd, (off_t)patch.at) == 0);
        else
            must(pwrite(file->fd, patch.bytes, patch.length, (off_t)patch.at) == (ssize_t)patch.length);
    }
}

void fuzz_unpatch(struct fuzz_patched *file, const uint8_t *patches, size_t size)
{
    size_t whole_from = file->size; /* what was cut off is to be written again */
    for (; size >= FUZZ_PATCH; patches += FUZZ_PATCH, size -= FUZZ_PATCH) {
        struct patch patch = patch_at(file, patches);
        if (patch.cuts)
            whole_from = patch.at < whole_from ? patch.at : whole_from;
        else
            must(pwrite(file->fd, file->good + patch.at, patch.length, (off_t)patch.at) ==
                 (ssize_t)patch.length);
    }
    size_t rest = file->size - whole_from;
    must(pwrite(file->fd, file->good + whole_from, rest, (off_t)whole_from) == (ssize_t)rest);
}

FILE *fuzz_nowhere(void)
{
    static FILE *nowhere;
    if (nowhere == NULL)
        must((nowhere = fopen("/dev/null", "we")) != NULL);
    return nowhere;
}
