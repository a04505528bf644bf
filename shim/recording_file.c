/* SPDX-License-Identifier: MIT */
#include "shim/recording_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
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
    MISUSE_OFFSET = SEMAPHORE_OFFSET + PAGES(RW_SEMAPHORE_MAX * sizeof(struct rw_semaphore)),
    ACCOUNT_OFFSET = MISUSE_OFFSET + PAGES(RW_MISUSE_MAX * sizeof(struct rw_misuse)),
    LOCK_OFFSET = ACCOUNT_OFFSET + PAGES(RW_ACCOUNT_MAX * sizeof(struct rw_account)),
    LOCKS_SIZE = PAGES(RW_LOCK_MAX * sizeof(struct rw_lock)),
    LOCK_EDGES_SIZE = PAGES(RW_LOCK_EDGE_MAX * sizeof(struct rw_lock_edge)),
    LOCK_STACKS_SIZE = PAGES(RW_LOCK_STACK_COUNT * sizeof(struct rw_lock_stack)),
};

struct rw_session rw_session;
struct rw_header *rw_header;
struct rw_test *rw_tests;
struct rw_interpreter *rw_interpreters;
struct rw_semaphore *rw_semaphores;
struct rw_lock *rw_locks;
bool rw_recording_has_locks;
struct rw_misuse *rw_misuses;
struct rw_account *rw_accounts;
bool rw_recording_has_orders;
struct rw_lock_edge *rw_lock_edges;
struct rw_lock_stack *rw_lock_stacks;
uint32_t rw_tests_writing, rw_interpreters_writing, rw_misuses_writing, rw_orders_writing;

/*
 * The slots are mapped in pieces, as the file grows: 16 with the head, and with each further piece twice as
 * many in all. Not all at once: an mlockall, RLIMIT_AS and RLIMIT_MEMLOCK count what is mapped, and not what
 * is used. Piece i holds the slots from first_of(i) on.
 */
enum { PIECES = 11 };
_Static_assert(RW_SLOT_FIRST << (PIECES - 1) == RW_SLOT_MAX, "the last piece reaches the maximum");
static struct rw_slot_area *pieces[PIECES];
static uint32_t allocated_slots; /* not read back from the file, which the program could scribble over */
static char path[PATH_MAX + 64];
static uint64_t file_device, file_inode;

/* These tables take no room where nobody asked for them. */
static uint32_t lock_edge_offset(void)
{
    return LOCK_OFFSET + (rw_recording_has_locks ? LOCKS_SIZE : 0);
}

static uint32_t lock_stack_offset(void)
{
    return lock_edge_offset() + (rw_recording_has_orders ? LOCK_EDGES_SIZE : 0);
}

static uint64_t slot_offset(void)
{
    return lock_stack_offset() + (rw_recording_has_orders ? LOCK_STACKS_SIZE : 0);
}

static uint64_t size_with_slots(uint32_t count)
{
    return slot_offset() + (uint64_t)count * sizeof(struct rw_slot_area);
}

uint64_t rw_recording_size_limit(void)
{
    struct rlimit limit;
    if (rw_raw4(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&limit) < 0)
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

/* Gives the file [from, to) with blocks behind it. */
static int allocate(int fd, uint64_t from, uint64_t to)
{
    if (to > rw_recording_size_limit())
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
    return result == 0 ? write_zeros(fd, slot_offset(), slot_offset() + PAGE) : result;
}

static unsigned piece_of(uint32_t slot)
{
    return slot < RW_SLOT_FIRST ? 0 : 32 - (unsigned)__builtin_clz(slot / RW_SLOT_FIRST);
}

static uint32_t first_of(unsigned piece)
{
    return piece == 0 ? 0 : RW_SLOT_FIRST << (piece - 1);
}

struct rw_slot_area *rw_slot_area(uint32_t slot)
{
    unsigned piece = piece_of(slot);
    return &pieces[piece][slot - first_of(piece)];
}

/* Maps [from, to) of the file; over what is mapped `at` already, if that is not NULL. */
static long map(int fd, uint64_t from, uint64_t to, const void *at)
{
    long address = rw_raw6(SYS_mmap, (long)at, (long)(to - from), PROT_READ | PROT_WRITE,
                           MAP_SHARED | (at ? MAP_FIXED : 0), fd, (long)from);
    if (!rw_raw_is_error(address)) {
        rw_raw3(SYS_madvise, address, (long)(to - from), MADV_RANDOM); /* touch a page, read a page */
        rw_raw3(SYS_madvise, address, (long)(to - from), MADV_DONTDUMP);
    }
    return address;
}

/* The head and the first slots; in a fork child where the parent's are. The child has one thread, and what
 * further slots its parent had is forgotten. */
static int map_first(int fd)
{
    long address = map(fd, 0, size_with_slots(RW_SLOT_FIRST), rw_header);
    if (rw_raw_is_error(address))
        return (int)address;
    for (unsigned i = 1; i < PIECES && pieces[i]; i++) {
        rw_raw3(SYS_munmap, (long)pieces[i], (long)(first_of(i) * sizeof(struct rw_slot_area)), 0);
        pieces[i] = NULL;
    }
    unsigned char *base = (unsigned char *)address;
    rw_tests = (struct rw_test *)(base + TEST_OFFSET);
    rw_interpreters = (struct rw_interpreter *)(base + INTERPRETER_OFFSET);
    rw_semaphores = (struct rw_semaphore *)(base + SEMAPHORE_OFFSET);
    rw_misuses = (struct rw_misuse *)(base + MISUSE_OFFSET);
    rw_accounts = (struct rw_account *)(base + ACCOUNT_OFFSET);
    rw_locks = rw_recording_has_locks ? (struct rw_lock *)(base + LOCK_OFFSET) : NULL;
    rw_lock_edges = (struct rw_lock_edge *)(base + lock_edge_offset());
    rw_lock_stacks = (struct rw_lock_stack *)(base + lock_stack_offset());
    pieces[0] = (struct rw_slot_area *)(base + slot_offset());
    rw_header = (struct rw_header *)base;
    return 0;
}

static void name_spare(char *name, size_t size, uint32_t number)
{
    struct rw_text text;
    rw_text_begin(&text, name, size);
    rw_text_add(&text, rw_session.folder);
    rw_text_add(&text, "/");
    rw_text_add_decimal(&text, number);
    rw_text_add(&text, RW_SPARE_SUFFIX);
}

static bool is_recording(const struct stat *status)
{
    return S_ISREG(status->st_mode) && status->st_nlink == 1 &&
           status->st_uid == (uid_t)rw_raw0(SYS_geteuid) &&
           (uint64_t)status->st_size == size_with_slots(RW_SLOT_FIRST);
}

/* How many there are, if none of them is being taken at this moment: they are numbered without a gap. Most
 * often there are few. */
static uint32_t count_spares(void)
{
    char name[sizeof path];
    uint32_t below = 0, from = RW_SPARE_MAX, at = 0; /* the first that is missing is in [below, from] */
    while (below < from) {
        name_spare(name, sizeof name, at);
        if (rw_raw3(SYS_access, (long)name, F_OK, 0) == 0)
            below = at + 1;
        else
            from = at;
        at = from == RW_SPARE_MAX && 2 * below < from ? 2 * below : (below + from) / 2;
    }
    return below;
}

/* A file that the monitor has no use for any more becomes `path`. Its descriptor, with `status` filled, or a
 * negative errno: there is none, and a new file is to be made. */
static long take_spare(struct stat *status)
{
    enum { TRIES = 8 };
    char spare[sizeof path];
    uint32_t count = count_spares();
    for (uint32_t i = 0; i < TRIES && count > 0; i++) {
        name_spare(spare, sizeof spare, count - 1);
        if (rw_raw3(SYS_lstat, (long)spare, (long)status, 0) != 0) {
            count = count_spares(); /* others were quicker, many perhaps */
            continue;
        }
        count--;
        if (!is_recording(status) ||
            rw_raw6(SYS_renameat2, AT_FDCWD, (long)spare, AT_FDCWD, (long)path, RENAME_NOREPLACE, 0) != 0)
            continue;
        long fd = rw_raw3(SYS_open, (long)path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
        if (fd >= 0 && rw_raw3(SYS_fstat, fd, (long)status, 0) == 0 && is_recording(status))
            return fd;
        if (fd >= 0)
            rw_raw3(SYS_close, fd, 0, 0);
        rw_raw3(SYS_unlink, (long)path, 0, 0);
    }
    return -ENOENT;
}

/* The same of a new file. */
static long make_file(struct stat *status)
{
    long fd = rw_raw3(SYS_open, (long)path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    long result = fd < 0 ? fd : rw_raw3(SYS_fstat, fd, (long)status, 0);
    if (result == 0)
        return fd;
    if (fd >= 0) {
        rw_raw3(SYS_close, fd, 0, 0);
        rw_raw3(SYS_unlink, (long)path, 0, 0);
    }
    return result;
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
    header->misuse_offset = MISUSE_OFFSET;
    header->misuse_size = sizeof(struct rw_misuse);
    header->misuse_count = RW_MISUSE_MAX;
    header->account_offset = ACCOUNT_OFFSET;
    header->account_size = sizeof(struct rw_account);
    header->account_count = RW_ACCOUNT_MAX;
    header->lock_offset = LOCK_OFFSET;
    header->lock_size = sizeof(struct rw_lock);
    header->lock_count = rw_recording_has_locks ? RW_LOCK_MAX : 0;
    header->lock_edge_offset = lock_edge_offset();
    header->lock_edge_size = sizeof(struct rw_lock_edge);
    header->lock_edge_count = rw_recording_has_orders ? RW_LOCK_EDGE_MAX : 0;
    header->lock_stack_offset = lock_stack_offset();
    header->lock_stack_size = sizeof(struct rw_lock_stack);
    header->lock_stack_count = rw_recording_has_orders ? RW_LOCK_STACK_COUNT : 0;
    header->slot_offset = (uint32_t)slot_offset();
    header->slot_size = sizeof(struct rw_slot_area);
    header->slot_max = RW_SLOT_MAX;
    header->slot_allocated = RW_SLOT_FIRST;
    allocated_slots = RW_SLOT_FIRST;
    rw_tests_writing = rw_interpreters_writing = rw_misuses_writing = rw_orders_writing = 0;
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
    if (rw_session.elsewhere != 0) {
        rw_text_add(&text, "@");
        rw_text_add_hex(&text, rw_session.elsewhere);
    }
    rw_text_add(&text, ".rec");
    if (text.is_cut)
        return -ENAMETOOLONG;
    struct stat status;
    long fd = take_spare(&status);
    if (fd < 0)
        fd = make_file(&status);
    if (fd < 0)
        return (int)fd;
    int result = allocate((int)fd, 0, size_with_slots(RW_SLOT_FIRST));
    if (result == 0)
        result = write_first_pages((int)fd);
    if (result == 0)
        result = map_first((int)fd);
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

int rw_recording_grow(void)
{
    uint32_t allocated = allocated_slots;
    if (allocated >= RW_SLOT_MAX)
        return -ENOSPC;
    uint64_t from = size_with_slots(allocated), to = size_with_slots(2 * allocated);
    long fd = rw_raw3(SYS_open, (long)path, O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0)
        return (int)fd;
    struct stat status;
    int result = (int)rw_raw3(SYS_fstat, fd, (long)&status, 0);
    if (result == 0 && (status.st_dev != file_device || status.st_ino != file_inode))
        result = -ESTALE; /* another root directory, or somebody else's file */
    if (result == 0)
        result = allocate((int)fd, from, to);
    if (result == 0) {
        long address = map((int)fd, from, to, NULL);
        if (rw_raw_is_error(address))
            result = (int)address;
        else
            pieces[piece_of(allocated)] = (struct rw_slot_area *)address;
    }
    rw_raw3(SYS_close, fd, 0, 0);
    if (result == 0) {
        __atomic_store_n(&allocated_slots, 2 * allocated, __ATOMIC_RELEASE);
        __atomic_store_n(&rw_header->slot_allocated, 2 * allocated, __ATOMIC_RELEASE);
    }
    return result;
}

const char *rw_recording_path(void)
{
    return path;
}
