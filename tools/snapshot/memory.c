/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <talloc.h>
#include <unistd.h>

#include <uthash.h>

#include "tools/snapshot/module.h"
#include "tools/snapshot/proc.h"

#define PAGE UINT64_C(4096)
#define CACHED_PAGES_MAX 16384u /* 64 MiB */

struct page {
    uint64_t address;
    uint8_t bytes[PAGE];
    UT_hash_handle hh;
};

struct rw_memory {
    int (*read)(struct rw_memory *, uint64_t address, void *buffer, size_t length);
    struct rw_memory *below;
    uint64_t reads;
    struct page *pages;
    /* a living process */
    int pid;
    int tid;      /* through which it is read */
    int file;     /* /proc/PID/task/TID/mem, -1 until needed */
    bool by_file; /* process_vm_readv is refused */
    /* files */
    struct rw_modules *modules;
    /* an overlay */
    uint64_t address;
    const uint8_t *bytes;
    size_t length;
};

static int destroy(struct rw_memory *memory)
{
    rw_memory_forget(memory);
    if (memory->file >= 0)
        close(memory->file);
    return 0;
}

static struct rw_memory *new_memory(void *parent, int (*read)(struct rw_memory *, uint64_t address,
                                                              void *buffer, size_t length))
{
    struct rw_memory *memory = talloc_zero(parent, struct rw_memory);

    if (!memory)
        return NULL;
    memory->read = read;
    memory->file = -1;
    talloc_set_destructor(memory, destroy);
    return memory;
}

static int read_by_file(struct rw_memory *memory, uint64_t address, void *buffer, size_t length)
{
    if (memory->file < 0) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/%d/task/%d/mem", memory->pid, memory->tid);
        memory->file = open(path, O_RDONLY | O_CLOEXEC);
        if (memory->file < 0)
            return errno == ENOENT ? -ESRCH : errno == EACCES ? -EPERM : -errno;
    }
    memory->reads++;
    ssize_t got = pread(memory->file, buffer, length, (off_t)address);
    if (got == 0) /* its memory is gone */
        return -ESRCH;
    if (got < 0)
        return errno == EIO ? -EFAULT : -errno;
    return (size_t)got == length ? 0 : -EFAULT;
}

static int read_by_call(struct rw_memory *memory, uint64_t address, void *buffer, size_t length)
{
    struct iovec to = {buffer, length}, from = {(void *)(uintptr_t)address, length};

    memory->reads++;
    ssize_t got = process_vm_readv(memory->tid, &to, 1, &from, 1, 0);
    if (got < 0)
        return -errno;
    return (size_t)got == length ? 0 : -EFAULT;
}

static int read_live(struct rw_memory *memory, uint64_t address, void *buffer, size_t length)
{
    if (!memory->by_file) {
        int result = read_by_call(memory, address, buffer, length);
        /* A thread that has ended has no memory any more (ESRCH or EPERM, by its state), though its process
         * may. */
        if (result == -ESRCH || result == -EPERM) {
            int tid = rw_proc_living_thread(memory->pid);
            if (tid < 0)
                return -ESRCH;
            if (tid != memory->tid) {
                memory->tid = tid;
                result = read_by_call(memory, address, buffer, length);
            }
        }
        if (result != -EPERM && result != -ENOSYS)
            return result;
        /* A seccomp filter on this program refuses the call, but not the file, whose access check is the
         * same. */
        int error = result;
        result = read_by_file(memory, address, buffer, length);
        memory->by_file = result == 0 || result == -EFAULT;
        return result == -EFAULT || result == 0 ? result : error;
    }
    return read_by_file(memory, address, buffer, length);
}

static int read_files(struct rw_memory *memory, uint64_t address, void *buffer, size_t length)
{
    return rw_modules_read(memory->modules, address, buffer, length);
}

/* What the copy holds of it from there, the rest from below. */
static int read_overlay(struct rw_memory *memory, uint64_t address, void *buffer, size_t length)
{
    uint64_t start = memory->address, end = start + memory->length;

    while (length > 0) {
        size_t part = length;
        int result = 0;
        if (address >= start && address < end) {
            part = length < end - address ? length : (size_t)(end - address);
            memcpy(buffer, memory->bytes + (address - start), part);
        } else {
            if (address < start && start - address < length)
                part = (size_t)(start - address);
            result = rw_memory_read(memory->below, address, buffer, part);
        }
        if (result < 0)
            return result;
        address += part;
        buffer = (uint8_t *)buffer + part;
        length -= part;
    }
    return 0;
}

struct rw_memory *rw_memory_live(void *parent, int pid)
{
    struct rw_memory *memory = new_memory(parent, read_live);

    if (memory) {
        memory->pid = pid;
        memory->tid = rw_proc_living_thread(pid);
        if (memory->tid < 0)
            memory->tid = pid;
    }
    return memory;
}

struct rw_memory *rw_memory_of_files(void *parent, struct rw_modules *modules)
{
    struct rw_memory *memory = new_memory(parent, read_files);

    if (memory)
        memory->modules = modules;
    return memory;
}

struct rw_memory *rw_memory_overlay(void *parent, struct rw_memory *below, uint64_t address,
                                    const void *bytes, size_t length)
{
    struct rw_memory *memory = new_memory(parent, read_overlay);

    if (memory) {
        memory->below = below;
        memory->address = address;
        memory->bytes = bytes;
        memory->length = length > UINT64_MAX - address ? (size_t)(UINT64_MAX - address) : length;
    }
    return memory;
}

int rw_memory_read(struct rw_memory *memory, uint64_t address, void *buffer, size_t length)
{
    if (length == 0)
        return 0;
    if (address + length - 1 < address || address + length - 1 > INT64_MAX)
        return -EFAULT;
    return memory->read(memory, address, buffer, length);
}

static int cached_page(struct rw_memory *memory, uint64_t address, struct page **out)
{
    struct page *page;

    HASH_FIND(hh, memory->pages, &address, sizeof(address), page);
    if (!page) {
        if (HASH_COUNT(memory->pages) >= CACHED_PAGES_MAX)
            rw_memory_forget(memory);
        page = talloc(memory, struct page);
        if (!page)
            return -ENOMEM;
        int result = rw_memory_read(memory, address, page->bytes, PAGE);
        if (result < 0) {
            talloc_free(page);
            return result;
        }
        page->address = address;
        HASH_ADD(hh, memory->pages, address, sizeof(page->address), page);
    }
    *out = page;
    return 0;
}

int rw_memory_read_cached(struct rw_memory *memory, uint64_t address, void *buffer, size_t length)
{
    while (length > 0) {
        uint64_t offset = address % PAGE;
        size_t part = length < PAGE - offset ? length : (size_t)(PAGE - offset);
        struct page *page;
        int result = cached_page(memory, address - offset, &page);
        if (result == -EFAULT) /* layers of files and copies need not hold whole pages */
            result = rw_memory_read(memory, address, buffer, part);
        else if (result == 0)
            memcpy(buffer, page->bytes + offset, part);
        if (result < 0)
            return result;
        address += part;
        buffer = (uint8_t *)buffer + part;
        length -= part;
    }
    return 0;
}

void rw_memory_forget(struct rw_memory *memory)
{
    struct page *page, *next;

    HASH_ITER(hh, memory->pages, page, next)
    {
        HASH_DEL(memory->pages, page);
        talloc_free(page);
    }
}

uint64_t rw_memory_reads(const struct rw_memory *memory)
{
    return memory->reads + (memory->below ? rw_memory_reads(memory->below) : 0);
}

bool rw_memory_is_live(const struct rw_memory *memory)
{
    return memory->below ? rw_memory_is_live(memory->below) : memory->read == read_live;
}
