/* SPDX-License-Identifier: MIT */
/* The file of a recording and its header: opening, checking, reading again, and the monitor's words to the
 * process. */
#include "tools/recording/reader_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>

int rw_reader_read(const struct rw_reader *reader, uint64_t offset, void *buffer, size_t size)
{
    if (offset > INT64_MAX)
        return -EBADMSG;
    ssize_t got;
    do
        got = pread(reader->fd, buffer, size, (off_t)offset);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    return (size_t)got == size ? 0 : -EBADMSG;
}

static int __attribute__((format(printf, 3, 4))) refuse(char **why, int error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    talloc_free(*why);
    *why = talloc_vasprintf(NULL, format, arguments);
    va_end(arguments);
    if (*why == NULL)
        abort(); /* as all of tools/ does without memory: see model.h of the incident */
    return error;
}

/* Whether this is a header that this program understands. Looks at the fixed first bytes only, so `header`
 * may come from any version. */
static int check_identity(const struct rw_header *header, uint64_t file_size, char **why)
{
    if (file_size < offsetof(struct rw_header, shim_version))
        return refuse(why, -EBADMSG, file_size == 0 ? "truncated: the file is empty" : "not a recording");
    if (header->magic == __builtin_bswap64(RW_RECORDING_MAGIC))
        return refuse(why, -EPROTONOSUPPORT, "a recording made on a machine of another byte order");
    if (header->magic != RW_RECORDING_MAGIC)
        return refuse(why, header->magic == 0 ? -EAGAIN : -EBADMSG,
                      header->magic == 0 ? "not filled in: its process is starting, or died while it did"
                                         : "not a recording");
    if (header->version != RW_RECORDING_VERSION)
        return refuse(why, -EPROTONOSUPPORT,
                      "a recording of another version (%" PRIu32 "; this program reads %u)", header->version,
                      RW_RECORDING_VERSION);
    if (header->header_size != sizeof(struct rw_header))
        return refuse(why, -EPROTONOSUPPORT,
                      "a recording of another build (its header has %" PRIu32
                      " bytes; this program's has %zu)",
                      header->header_size, sizeof(struct rw_header));
    if (file_size < sizeof(struct rw_header))
        return refuse(why, -EBADMSG, "truncated: %" PRIu64 " bytes, and the header alone takes %zu",
                      file_size, sizeof(struct rw_header));
    if (header->ready == 0)
        return refuse(why, -EAGAIN, "not filled in: its process is starting, or died while it did");
    return 0;
}

struct table {
    const char *name;
    uint32_t offset, size, count;
    uint32_t expected_size, count_max;
};

/* Sizes and counts must be possible; where the tables lie is checked by each read against the file as it is
 * then. */
static int check_layout(const struct rw_header *header, char **why)
{
    const struct table tables[] = {
        {"tests", header->test_offset, header->test_size, header->test_count, sizeof(struct rw_test),
         RW_TEST_MAX},
        {"interpreters", header->interpreter_offset, header->interpreter_size, header->interpreter_count,
         sizeof(struct rw_interpreter), RW_INTERPRETER_MAX},
        {"semaphores", header->semaphore_offset, header->semaphore_size, header->semaphore_count,
         sizeof(struct rw_semaphore), RW_SEMAPHORE_MAX},
        {"misuses", header->misuse_offset, header->misuse_size, header->misuse_count,
         sizeof(struct rw_misuse), RW_MISUSE_MAX},
        {"accounts", header->account_offset, header->account_size, header->account_count,
         sizeof(struct rw_account), RW_ACCOUNT_MAX},
        {"locks", header->lock_offset, header->lock_size, RW_LOCK_MAX, sizeof(struct rw_lock), RW_LOCK_MAX},
        {"lock orders", header->lock_edge_offset, header->lock_edge_size, header->lock_edge_count,
         sizeof(struct rw_lock_edge), RW_LOCK_EDGE_MAX},
        {"lock stacks", header->lock_stack_offset, header->lock_stack_size, header->lock_stack_count,
         sizeof(struct rw_lock_stack), RW_LOCK_STACK_COUNT},
        {"slots", header->slot_offset, header->slot_size, header->slot_max, sizeof(struct rw_slot_area),
         RW_SLOT_MAX},
    };
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        const struct table *table = &tables[i];
        if (table->size != table->expected_size ||
            (table->count == 0 && table->expected_size != sizeof(struct rw_lock_edge) &&
             table->expected_size != sizeof(struct rw_lock_stack)) ||
            table->count > table->count_max || table->offset < sizeof(struct rw_header))
            return refuse(why, -EBADMSG,
                          "damaged: its table of %s cannot be (%" PRIu32 " of %" PRIu32 " bytes at %" PRIu32
                          ")",
                          table->name, table->count, table->size, table->offset);
    }
    /* Entries are found by a hash: all are there, or none. */
    if (header->lock_count != 0 && header->lock_count != RW_LOCK_MAX)
        return refuse(why, -EBADMSG, "damaged: its table of locks cannot have %" PRIu32 " entries",
                      header->lock_count);
    return 0;
}

/* Bounds what readers loop over or print. Says in `note` what the file lacks of what the header promises. */
static void bound_header(struct rw_header *header, uint64_t file_size, char *note, size_t note_size)
{
    RW_TERMINATE(header->shim_version);
    RW_TERMINATE(header->executable);
    RW_TERMINATE(header->test);
    for (unsigned i = 0; i < RW_PROBLEM_MAX; i++)
        RW_TERMINATE(header->problems[i].detail);

    note[0] = '\0';
    uint64_t room =
        file_size > header->slot_offset ? (file_size - header->slot_offset) / header->slot_size : 0;
    if (header->slot_allocated > header->slot_max)
        header->slot_allocated = header->slot_max;
    if (header->slot_used > header->slot_allocated)
        header->slot_used = header->slot_allocated;
    if (header->slot_allocated > room)
        header->slot_allocated = (uint32_t)room;
    if (header->slot_used > room) {
        snprintf(note, note_size,
                 "the recording is truncated: %" PRIu32 " of its %" PRIu32 " thread slots are missing",
                 header->slot_used - (uint32_t)room, header->slot_used);
        header->slot_used = (uint32_t)room;
    }
}

static int load_header(struct rw_reader *reader, struct rw_header *header, uint64_t *file_size, char **why)
{
    struct stat status;
    if (fstat(reader->fd, &status) < 0) {
        int error = errno;
        return refuse(why, -error, "cannot be read: %s", strerror(error));
    }
    *file_size = (uint64_t)status.st_size;
    memset(header, 0, sizeof(*header));
    size_t length = *file_size < sizeof(*header) ? (size_t)*file_size : sizeof(*header);
    int error = rw_reader_read(reader, 0, header, length);
    if (error != 0)
        return refuse(why, error, "cannot be read: %s", strerror(-error));
    error = check_identity(header, *file_size, why);
    return error != 0 ? error : check_layout(header, why);
}

int rw_reader_open(const char *path, struct rw_reader **reader, char **why)
{
    *reader = NULL;
    *why = NULL;
    /* O_NONBLOCK: a FIFO under this name must not hold us up; it has no effect on a regular file. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ELOOP)
        return refuse(why, -ELOOP, "not a recording: a symbolic link");
    if (fd < 0) {
        int error = errno;
        return refuse(why, -error, "cannot be opened: %s", strerror(error));
    }
    struct stat status;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        close(fd);
        return refuse(why, -EBADMSG, "not a recording: not a regular file");
    }
    struct rw_reader *made = talloc_zero(NULL, struct rw_reader);
    if (made != NULL)
        made->path = talloc_strdup(made, path);
    if (made == NULL || made->path == NULL) {
        close(fd);
        talloc_free(made);
        return refuse(why, -ENOMEM, "out of memory");
    }
    made->fd = fd;
    made->device = status.st_dev;
    made->inode = status.st_ino;
    uint64_t file_size;
    int error = load_header(made, &made->header, &file_size, why);
    if (error != 0) {
        rw_reader_close(made);
        return error;
    }
    bound_header(&made->header, file_size, made->note, sizeof(made->note));
    *reader = made;
    return 0;
}

void rw_reader_close(struct rw_reader *reader)
{
    if (reader == NULL)
        return;
    close(reader->fd);
    talloc_free(reader);
}

const char *rw_reader_path(const struct rw_reader *reader)
{
    return reader->path;
}

const char *rw_reader_note(const struct rw_reader *reader)
{
    return reader->note[0] != '\0' ? reader->note : NULL;
}

const struct rw_header *rw_reader_header(const struct rw_reader *reader)
{
    return &reader->header;
}

int rw_reader_refresh(struct rw_reader *reader)
{
    struct rw_header header;
    uint64_t file_size;
    char *why = NULL;
    int error = load_header(reader, &header, &file_size, &why);
    talloc_free(why);
    if (error != 0)
        return error == -EAGAIN ? -EBADMSG : error; /* it was ready once */

    /* What never changes must not have: the rest of the page would be no more trustworthy. */
    const struct rw_header *old = &reader->header;
    if (header.pid != old->pid || header.created_ns != old->created_ns ||
        header.slot_offset != old->slot_offset || header.slot_max != old->slot_max ||
        header.test_offset != old->test_offset || header.test_count != old->test_count ||
        header.interpreter_offset != old->interpreter_offset ||
        header.interpreter_count != old->interpreter_count ||
        header.semaphore_offset != old->semaphore_offset || header.semaphore_count != old->semaphore_count ||
        header.misuse_offset != old->misuse_offset || header.misuse_count != old->misuse_count ||
        header.account_offset != old->account_offset || header.account_count != old->account_count ||
        header.lock_offset != old->lock_offset || header.lock_count != old->lock_count ||
        header.lock_edge_offset != old->lock_edge_offset || header.lock_edge_count != old->lock_edge_count ||
        header.lock_stack_offset != old->lock_stack_offset ||
        header.lock_stack_count != old->lock_stack_count)
        return -EBADMSG;
    bound_header(&header, file_size, reader->note, sizeof(reader->note));
    reader->header = header;
    return 0;
}

/* Writes one word of the header: through a descriptor of its own, and only to the file that was opened. */
static int write_word(const struct rw_reader *reader, size_t offset, uint64_t value)
{
    int fd = open(reader->path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    struct stat status;
    int error = 0;
    if (fstat(fd, &status) < 0)
        error = -errno;
    else if (status.st_dev != reader->device || status.st_ino != reader->inode)
        error = -ESTALE;
    else if (status.st_size < (off_t)sizeof(struct rw_header))
        error = -EBADMSG;
    else if (pwrite(fd, &value, sizeof(value), (off_t)offset) != (ssize_t)sizeof(value))
        error = -EIO;
    close(fd);
    return error;
}

int rw_reader_request_capture(struct rw_reader *reader, uint64_t *request)
{
    size_t offset = offsetof(struct rw_header, capture_request);
    uint64_t last;
    int error = rw_reader_read(reader, offset, &last, sizeof(last));
    if (error != 0)
        return error;
    *request = last < UINT64_MAX ? last + 1 : 1;
    error = write_word(reader, offset, *request);
    if (error == 0)
        reader->header.capture_request = *request;
    return error;
}

int rw_reader_seen(struct rw_reader *reader, uint64_t now_ns)
{
    int error = write_word(reader, offsetof(struct rw_header, monitor_seen_ns), now_ns);
    if (error == 0)
        reader->header.monitor_seen_ns = now_ns;
    return error;
}

int rw_reader_crash_look(struct rw_reader *reader, enum rw_crash_look look)
{
    return write_word(reader, offsetof(struct rw_header, crash_look), look);
}
