/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

static uint8_t *map_of(int fd, size_t size)
{
    if (size == 0)
        return NULL;
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    must(bytes != MAP_FAILED);
    return bytes;
}

const char *fuzz_patched_open(struct fuzz_patched *file, const char *name, const uint8_t *good, size_t size)
{
    if (folder == NULL) {
        folder = make_folder();
        atexit(remove_it);
    }
    char *path = NULL;
    must(asprintf(&path, "%s/%s", folder, name) > 0);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, good, size) == (ssize_t)size);
    *file = (struct fuzz_patched){
        .good = good, .size = size, .fd = fd, .bytes = map_of(fd, size), .length = size, .path = path};
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

/* Past its end the mapping is not to be touched. */
static void cut(struct fuzz_patched *file, size_t length)
{
    if (length == file->length)
        return;
    if (!file->is_in_memory)
        must(ftruncate(file->fd, (off_t)length) == 0);
    file->length = length;
}

/* Of the patch's bytes, those that the file has now. */
static size_t within(const struct fuzz_patched *file, const struct patch *patch)
{
    if (patch->at >= file->length)
        return 0;
    return patch->length < file->length - patch->at ? patch->length : file->length - patch->at;
}

void fuzz_patch(struct fuzz_patched *file, const uint8_t *patches, size_t size)
{
    for (; size >= FUZZ_PATCH; patches += FUZZ_PATCH, size -= FUZZ_PATCH) {
        struct patch patch = patch_at(file, patches);
        if (!patch.cuts)
            memcpy(file->bytes + patch.at, patch.bytes, within(file, &patch));
        else if (patch.at < file->length)
            cut(file, patch.at);
    }
}

void fuzz_unpatch(struct fuzz_patched *file, const uint8_t *patches, size_t size)
{
    size_t whole_from = file->length; /* what was cut off is to be written again */
    cut(file, file->size);
    if (!file->is_in_memory)
        memcpy(file->bytes + whole_from, file->good + whole_from, file->size - whole_from);
    for (; size >= FUZZ_PATCH; patches += FUZZ_PATCH, size -= FUZZ_PATCH) {
        struct patch patch = patch_at(file, patches);
        if (!patch.cuts)
            memcpy(file->bytes + patch.at, file->good + patch.at, patch.length);
    }
}

FILE *fuzz_nowhere(void)
{
    static FILE *nowhere;
    if (nowhere == NULL)
        must((nowhere = fopen("/dev/null", "we")) != NULL);
    return nowhere;
}
