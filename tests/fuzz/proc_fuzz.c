/* SPDX-License-Identifier: MIT */
/*
 * /proc as it never is, and as a program can make it look (names of files and commands are its own): whatever
 * is read there, every look ends, in bounds. The linker's --wrap hands this program the input for every file
 * of /proc: the parts of it between bytes 255, one after the other, over and over.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <talloc.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "tools/monitor/runner.h"
#include "tools/snapshot/descriptor.h"
#include "tools/snapshot/maps.h"
#include "tools/snapshot/proc.h"
#include "tools/snapshot/sockets.h"

#define PID 77
#define LOOKS_MAX 64 /* parts that one input is asked for */

static struct {
    const uint8_t *bytes;
    size_t size, at;
    unsigned asked;
} input;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
ssize_t __wrap_readlink(const char *path, char *text, size_t size);

static const uint8_t *next_part(size_t *size)
{
    if (input.asked++ >= LOOKS_MAX) {
        *size = 0;
        return NULL;
    }
    if (input.at >= input.size)
        input.at = 0;
    const uint8_t *part = input.bytes + input.at;
    size_t rest = input.size - input.at;
    const uint8_t *end = rest > 0 ? memchr(part, 0xff, rest) : NULL;
    *size = end != NULL ? (size_t)(end - part) : rest;
    input.at += *size + 1;
    return part;
}

static int open_part(void)
{
    size_t size;
    const uint8_t *part = next_part(&size);
    if (part == NULL) {
        errno = ENOENT;
        return -1;
    }
    int fd = memfd_create("proc", MFD_CLOEXEC);
    if (fd < 0 || write(fd, part, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0)
        abort();
    return fd;
}

int __wrap_open(const char *path, int flags, ...)
{
    if (strncmp(path, "/proc/", 6) == 0)
        return open_part();
    va_list arguments;
    va_start(arguments, flags);
    unsigned mode = va_arg(arguments, unsigned);
    va_end(arguments);
    return __real_open(path, flags, mode);
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
    if (strncmp(path, "/proc/", 6) != 0)
        return __real_fopen(path, mode);
    int fd = open_part();
    return fd < 0 ? NULL : fdopen(fd, "r");
}

ssize_t __wrap_readlink(const char *path, char *text, size_t size)
{
    size_t length;
    const uint8_t *part = next_part(&length);
    (void)path;
    if (part == NULL) {
        errno = ENOENT;
        return -1;
    }
    if (length > size)
        length = size;
    memcpy(text, part, length);
    return (ssize_t)length;
}

static void look_at_threads(void *scratch)
{
    struct rw_thread_times times;
    struct rw_proc_status status;
    struct rw_proc_syscall call;
    char comm[RW_COMM_MAX];
    const char *text;
    rw_proc_thread(PID, PID, &times, comm);
    rw_proc_status(PID, PID, &status);
    rw_proc_syscall(PID, PID, &call);
    rw_proc_alive(PID, 1000000000);
    if (rw_proc_command(scratch, PID, &text) == 0)
        talloc_strdup(scratch, text);
    rw_proc_executable(scratch, PID, &text);
    rw_proc_path(scratch, PID, "/usr/lib/x");
    rw_runner_timeout_s(PID);
}

static void look_at_descriptors(void *scratch)
{
    struct rw_descriptor descriptor;
    struct rw_epoll_entry *entries;
    struct rw_socket socket;
    size_t count;
    if (rw_descriptor_read(scratch, PID, PID, 3, &descriptor) == 0)
        talloc_strdup(scratch, descriptor.target);
    rw_descriptor_epoll(scratch, PID, PID, 4, &entries, &count);
    struct rw_sockets *sockets = rw_sockets_new(scratch, PID);
    rw_sockets_find(sockets, 456, &socket);
}

static void look_at_the_rest(void *scratch)
{
    char comm[RW_COMM_MAX];
    const char *target;
    uint64_t switches;
    int status;
    rw_proc_hides_processes();
    rw_proc_ended_with(PID, -1, &status);
    rw_proc_comm(PID, comm);
    rw_proc_switches(PID, PID, &switches);
    if (rw_proc_fd_target(scratch, PID, PID, 3, &target) == 0)
        talloc_strdup(scratch, target);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    void *scratch = talloc_new(NULL);
    struct rw_maps *maps;
    input.bytes = bytes;
    input.size = size;
    input.at = input.asked = 0;
    look_at_threads(scratch);
    look_at_descriptors(scratch);
    if (rw_maps_live(scratch, PID, &maps) == 0)
        for (size_t i = 0; i < maps->count; i++)
            if (rw_maps_find(maps, maps->items[i].start) != &maps->items[i])
                abort(); /* out of order, or one over the other */
    look_at_the_rest(scratch);
    talloc_free(scratch);
    return 0;
}
