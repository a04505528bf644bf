/* SPDX-License-Identifier: MIT */
#include "shim/recording_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "shim/raw.h"
#include "shim/text.h"

#define PAGE 4096u
#define PAGES(size) (((size) + PAGE - 1) / PAGE * PAGE)

enum {
    TEST_OFFSET = PAGE,
    INTERPRETER_OFFSET = TEST_OFFSET + PAGES(RW_TEST_MAX * sizeof(struct rw_test)),
    SEMAPHORE_OFFSET = INTERPRETER_OFFSET + PAGES(RW_INTERPRETER_MAX * sizeof(struct rw_interpreter)),
    SLOT_OFFSET = SEMAPHORE_OFFSET + PAGES(RW_SEMAPHORE_MAX * sizeof(struct rw_semaphore)),
};

struct rw_session rw_session;
struct rw_header *rw_header;
struct rw_test *rw_tests;
struct rw_interpreter *rw_interpreters;
struct rw_semaphore *rw_semaphores;
struct rw_slot_area *rw_slots;
uint32_t rw_tests_writing, rw_interpreters_writing;

static size_t mapped_size;
static uint32_t mapped_slots;
static uint32_t allocated_slots; /* not read back from the file, which the program could scribble over */
static char path[PATH_MAX + 64];
static uint64_t file_device, file_inode;

static uint64_t size_with_slots(uint32_t count)
{
    return SLOT_OFFSET + (uint64_t)count * sizeof(struct rw_slot_area);
}

static uint64_t resource_limit(int resource)
{
    struct rlimit limit;
    if (rw_raw4(SYS_prlimit64, 0, resource, 0, (long)&limit) < 0)
        return RLIM_INFINITY;
    return limit.rlim_cur;
}

static int write_zeros(int fd, uint64_t from, uint64_t to)
{
    static const char zeros[16384];
    while (from < to) {
        uint64_t length = to - from < sizeof zeros ? to - from : sizeof zeros;
        long written = rw_raw4(SYS_pwrite64, fd, (long)zeros, (long)length, (long)from);
        if (written == -EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? (int)written : -EIO;
        from += (uint64_t)written;
    }
    return 0;
}

/* Gives the file [from, to) with blocks behind it. A file larger than RLIMIT_FSIZE would be answered with
 * SIGXFSZ, which ends the program: so the limit is asked first. */
static int allocate(int fd, uint64_t from, uint64_t to)
{
    if (to > resource_limit(RLIMIT_FSIZE))
        return -EFBIG;
    long result;
    do {
        result = rw_raw4(SYS_fallocate, fd, 0, (long)from, (long)(to - from));
    } while (result == -EINTR);
    if (result == -EOPNOTSUPP || result == -ENOSYS)
        return write_zeros(fd, from, to);
    return (int)result;
}

/* The two pages that every process writes, written as a file first: on ext4 this saves 40 us, because a first
 * touch through the mapping would read the pages around it as well. */
static int write_first_pages(int fd)
{
    int result = write_zeros(fd, 0, PAGE);
    return result == 0 ? write_zeros(fd, SLOT_OFFSET, SLOT_OFFSET + PAGE) : result;
}

/* The whole range is mapped at once, far beyond the file's end, so that growing needs no second mapping and
 * an address once handed out stays good. Where address space is limited, a sixteenth of it at most is taken.
 */
static int map(int fd)
{
    long flags = MAP_SHARED | MAP_NORESERVE | (rw_header ? MAP_FIXED : 0);
    uint64_t address_space = resource_limit(RLIMIT_AS);
    uint32_t slots = rw_header ? mapped_slots : RW_SLOT_MAX;
    while (!rw_header && slots > RW_SLOT_FIRST && size_with_slots(slots) > address_space / 16)
        slots /= 2;
    long address;
    for (;;) {
        address = rw_raw6(SYS_mmap, (long)rw_header, (long)size_with_slots(slots), PROT_READ | PROT_WRITE,
                          flags, fd, 0);
        if (address != -ENOMEM || rw_header || slots <= RW_SLOT_FIRST)
            break;
        slots /= 2;
    }
    if (rw_raw_is_error(address))
        return (int)address;
    mapped_slots = slots;
    mapped_size = size_with_slots(slots);
    rw_raw3(SYS_madvise, address, (long)mapped_size, MADV_RANDOM); /* touch a page, read a page */
    rw_raw3(SYS_madvise, address, (long)mapped_size, MADV_DONTDUMP);
    unsigned char *base = (unsigned char *)address;
    rw_tests = (struct rw_test *)(base + TEST_OFFSET);
    rw_interpreters = (struct rw_interpreter *)(base + INTERPRETER_OFFSET);
    rw_semaphores = (struct rw_semaphore *)(base + SEMAPHORE_OFFSET);
    rw_slots = (struct rw_slot_area *)(base + SLOT_OFFSET);
    rw_header = (struct rw_header *)base;
    return 0;
}

static void describe_file(int32_t pid, uint64_t created_ns)
{
    struct rw_header *header = rw_header;
    header->magic = RW_RECORDING_MAGIC;
    header->version = RW_RECORDING_VERSION;
    header->header_size = sizeof *header;
    rw_text_copy(header->shim_version, sizeof header->shim_version, RW_VERSION);
    header->pid = pid;
    header->created_ns = created_ns;
    header->test_offset = TEST_OFFSET;
    header->test_size = sizeof(struct rw_test);
    header->test_count = RW_TEST_MAX;
    header->interpreter_offset = INTERPRETER_OFFSET;
    header->interpreter_size = sizeof(struct rw_interpreter);
    header->interpreter_count = RW_INTERPRETER_MAX;
    header->semaphore_offset = SEMAPHORE_OFFSET;
    header->semaphore_size = sizeof(struct rw_semaphore);
    header->semaphore_count = RW_SEMAPHORE_MAX;
    header->slot_offset = SLOT_OFFSET;
    header->slot_size = sizeof(struct rw_slot_area);
    header->slot_max = mapped_slots;
    header->slot_allocated = RW_SLOT_FIRST;
    allocated_slots = RW_SLOT_FIRST;
    rw_tests_writing = rw_interpreters_writing = 0;
}

uint32_t rw_recording_room(void)
{
    return __atomic_load_n(&allocated_slots, __ATOMIC_ACQUIRE);
}

int rw_recording_create(int32_t pid, uint64_t created_ns)
{
    struct rw_text text;
    rw_text_begin(&text, path, sizeof path);
    rw_text_add(&text, rw_session.folder);
    rw_text_add(&text, "/");
    rw_text_add_decimal(&text, (uint64_t)pid);
    rw_text_add(&text, "-");
    rw_text_add_hex(&text, created_ns);
    rw_text_add(&text, ".rec");
    if (text.is_cut)
        return -ENAMETOOLONG;
    long fd = rw_raw3(SYS_open, (long)path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return (int)fd;
    struct stat status;
    int result = (int)rw_raw3(SYS_fstat, fd, (long)&status, 0);
    if (result == 0)
        result = allocate((int)fd, 0, size_with_slots(RW_SLOT_FIRST));
    if (result == 0)
        result = write_first_pages((int)fd);
    if (result == 0)
        result = map((int)fd);
    rw_raw3(SYS_close, fd, 0, 0);
    if (result != 0) {
        rw_raw3(SYS_unlink, (long)path, 0, 0);
        return result;
    }
    file_device = status.st_dev;
    file_inode = status.st_ino;
    describe_file(pid, created_ns);
    return 0;
}

int rw_recording_grow(uint32_t count)
{
    uint32_t allocated = allocated_slots;
    if (count > mapped_slots)
        return -ENOSPC;
    uint32_t wanted = allocated;
    while (wanted < count)
        wanted *= 2;
    if (wanted > mapped_slots)
        wanted = mapped_slots;
    long fd = rw_raw3(SYS_open, (long)path, O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0)
        return (int)fd;
    struct stat status;
    int result = (int)rw_raw3(SYS_fstat, fd, (long)&status, 0);
    if (result == 0 && (status.st_dev != file_device || status.st_ino != file_inode))
        result = -ESTALE; /* another root directory, or somebody else's file */
    if (result == 0)
        result = allocate((int)fd, size_with_slots(allocated), size_with_slots(wanted));
    rw_raw3(SYS_close, fd, 0, 0);
    if (result == 0) {
        __atomic_store_n(&allocated_slots, wanted, __ATOMIC_RELEASE);
        __atomic_store_n(&rw_header->slot_allocated, wanted, __ATOMIC_RELEASE);
    }
    return result;
}

const char *rw_recording_path(void)
{
    return path;
}
