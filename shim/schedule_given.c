/* SPDX-License-Identifier: MIT */
#include "shim/schedule_given.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "shim/raw.h"

#define SOURCES_AT                                                                                           \
    (sizeof(struct rw_schedule_header) + RW_SCHEDULE_THREAD_MAX * sizeof(struct rw_schedule_thread))
#define SWITCHES_AT (SOURCES_AT + RW_SCHEDULE_SOURCE_MAX * sizeof(struct rw_schedule_source))
#define PAGE 4096u /* a file of serial mode's own ends at the end of one */
#define LARGEST (SWITCHES_AT + RW_SCHEDULE_SWITCH_MAX * sizeof(struct rw_schedule_switch) + PAGE)

static int read_all(int fd, char *to, uint64_t size)
{
    for (uint64_t at = 0; at < size;) {
        long got = rw_raw4(SYS_pread64, fd, (long)(to + at), (long)(size - at), (long)at);
        if (got <= 0)
            return got == 0 ? -EINVAL : (int)got;
        at += (uint64_t)got;
    }
    return 0;
}

/* A copy of all of it, or a negative errno; SWITCHES_AT bytes at least. */
static long copy(const char *path, uint64_t *size)
{
    struct stat status;
    long fd = rw_raw3(SYS_open, (long)path, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    long result = rw_raw3(SYS_fstat, fd, (long)&status, 0);
    if (result == 0 && (!S_ISREG(status.st_mode) || (uint64_t)status.st_size < SWITCHES_AT ||
                        (uint64_t)status.st_size > LARGEST))
        result = -EINVAL;
    if (result == 0) {
        *size = (uint64_t)status.st_size;
        result =
            rw_raw6(SYS_mmap, 0, (long)*size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    if (!rw_raw_is_error(result)) {
        int error = read_all((int)fd, (char *)result, *size);
        if (error != 0) {
            rw_raw3(SYS_munmap, result, (long)*size, 0);
            result = error;
        }
    }
    rw_raw3(SYS_close, fd, 0, 0);
    return result;
}

int rw_schedule_given(const char *path, struct rw_schedule_given *given)
{
    uint64_t size = 0;
    long result = copy(path, &size);
    if (rw_raw_is_error(result))
        return (int)result;
    const char *bytes = (const char *)result;
    const struct rw_schedule_header *header = (const struct rw_schedule_header *)bytes;
    if (header->magic != RW_SCHEDULE_MAGIC || header->header_size != sizeof *header ||
        header->thread_size != sizeof *given->threads || header->switch_size != sizeof *given->switches ||
        header->thread_count > RW_SCHEDULE_THREAD_MAX ||
        header->switch_count > (size - SWITCHES_AT) / sizeof *given->switches) {
        rw_raw3(SYS_munmap, result, (long)size, 0);
        return -EINVAL;
    }
    *given = (struct rw_schedule_given){
        .header = header,
        .threads = (const struct rw_schedule_thread *)(header + 1),
        .switches = (const struct rw_schedule_switch *)(bytes + SWITCHES_AT),
        .thread_count = header->thread_count,
        .switch_count = header->switch_count,
        .size = size,
    };
    return 0;
}
