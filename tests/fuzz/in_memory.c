/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/in_memory.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define FILES_MAX 4
#define DESCRIPTORS_MAX 1024

static struct fuzz_patched *files[FILES_MAX];
static struct fuzz_patched *opened[DESCRIPTORS_MAX]; /* by descriptor */

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_close(int fd);
int __wrap_close(int fd);
int __real_fstat(int fd, struct stat *status);
int __wrap_fstat(int fd, struct stat *status);
ssize_t __real_pread(int fd, void *buffer, size_t size, off_t at);
ssize_t __wrap_pread(int fd, void *buffer, size_t size, off_t at);

void fuzz_in_memory(struct fuzz_patched *file)
{
    int free_place = 0;
    while (free_place < FILES_MAX && files[free_place] != NULL)
        free_place++;
    uint8_t *copy = malloc(file->size);
    if (free_place == FILES_MAX || copy == NULL)
        abort();
    memcpy(copy, file->good, file->size);
    munmap(file->bytes, file->size);
    file->bytes = copy;
    file->is_in_memory = true;
    files[free_place] = file;
}

static struct fuzz_patched *file_of(const char *path)
{
    for (int i = 0; i < FILES_MAX && files[i] != NULL; i++)
        if (strcmp(files[i]->path, path) == 0)
            return files[i];
    return NULL;
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    unsigned mode = va_arg(arguments, unsigned);
    va_end(arguments);
    int fd = __real_open(path, flags, mode);
    if (fd >= 0 && fd < DESCRIPTORS_MAX)
        opened[fd] = file_of(path);
    return fd;
}

int __wrap_close(int fd)
{
    if (fd >= 0 && fd < DESCRIPTORS_MAX)
        opened[fd] = NULL;
    return __real_close(fd);
}

static const struct fuzz_patched *opened_as(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS_MAX ? opened[fd] : NULL;
}

int __wrap_fstat(int fd, struct stat *status)
{
    const struct fuzz_patched *file = opened_as(fd);
    int result = __real_fstat(fd, status);
    if (result == 0 && file != NULL)
        status->st_size = (off_t)file->length;
    return result;
}

ssize_t __wrap_pread(int fd, void *buffer, size_t size, off_t at)
{
    const struct fuzz_patched *file = opened_as(fd);
    if (file == NULL || at < 0)
        return __real_pread(fd, buffer, size, at);
    if ((size_t)at >= file->length)
        return 0;
    size_t rest = file->length - (size_t)at, got = size < rest ? size : rest;
    memcpy(buffer, file->bytes + at, got);
    return (ssize_t)got;
}
