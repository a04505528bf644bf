/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>

#include "tools/snapshot/proc.h"

static FILE *open_info(int pid, int tid, int fd)
{
    char path[96];

    snprintf(path, sizeof(path), "/proc/%d/task/%d/fdinfo/%d", pid, tid, fd);
    return fopen(path, "re");
}

static void set_pty(struct rw_descriptor *out, uint64_t number)
{
    out->kind = "pty";
    out->inode = number + 1; /* 0 says that it is not known */
}

static int read_info(int pid, int tid, int fd, struct rw_descriptor *out)
{
    FILE *file = open_info(pid, tid, fd);
    char line[256];
    uint64_t number;
    unsigned flags = 0;

    if (!file)
        return -errno;
    while (fgets(line, sizeof(line), file)) {
        sscanf(line, "flags: %o", &flags);
        sscanf(line, "eventfd-id: %" SCNu64, &out->inode);
        sscanf(line, "Pid: %d", &out->pid);
        if (sscanf(line, "tty-index: %" SCNu64, &number) == 1) /* of a master alone */
            set_pty(out, number);
        out->has_lock |= strncmp(line, "lock:", 5) == 0;
    }
    fclose(file);
    out->reads = (flags & O_ACCMODE) != O_WRONLY;
    out->writes = (flags & O_ACCMODE) != O_RDONLY;
    return 0;
}

/* Descriptors without a path of their own, by how /proc shows them. */
static const struct {
    const char *prefix, *kind;
} kinds[] = {
    {"pipe:[", "pipe"},
    {"socket:[", "socket"},
    {"anon_inode:[eventfd]", "eventfd"},
    {"anon_inode:[eventpoll]", "epoll"},
    {"anon_inode:[pidfd]", "pidfd"},
    {"pidfd:[", "pidfd"},
    {"anon_inode:", "other"},
};

static const char *kind_of_path(int pid, int tid, int fd, uint64_t *inode)
{
    char path[96];
    struct statx file;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/fd/%d", pid, tid, fd);
    /* A network's file system that does not answer shall not hang us. */
    if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &file) < 0)
        return "other";
    *inode = file.stx_ino;
    return S_ISFIFO(file.stx_mode)  ? "pipe"
           : S_ISREG(file.stx_mode) ? "file"
           : S_ISCHR(file.stx_mode) ? "terminal"
                                    : "other";
}

int rw_descriptor_read(void *parent, int pid, int tid, int fd, struct rw_descriptor *out)
{
    uint64_t number;

    *out = (struct rw_descriptor){.kind = NULL, .pid = -1};
    int result = rw_proc_fd_target(parent, pid, tid, fd, &out->target);
    if (result < 0)
        return result;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !out->kind; i++)
        if (strncmp(out->target, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
            out->kind = kinds[i].kind;
    if (strcmp(out->target, RW_PTY_MASTER_TOO) == 0)
        out->target = RW_PTY_MASTER;
    if (sscanf(out->target, "/dev/pts/%" SCNu64, &number) == 1)
        set_pty(out, number);
    if (!out->kind)
        out->kind = kind_of_path(pid, tid, fd, &out->inode);
    else if (strchr(out->target, '[') && strncmp(out->target, "anon_inode", 10) != 0)
        sscanf(strchr(out->target, '['), "[%" SCNu64, &out->inode);
    return read_info(pid, tid, fd, out);
}

int rw_descriptor_epoll(void *parent, int pid, int tid, int fd, struct rw_epoll_entry **entries,
                        size_t *count)
{
    FILE *file = open_info(pid, tid, fd);
    char line[256];
    int result = 0;

    *entries = NULL;
    *count = 0;
    if (!file)
        return -errno;
    while (result == 0 && fgets(line, sizeof(line), file)) {
        struct rw_epoll_entry entry;
        if (sscanf(line, "tfd: %d events: %" SCNx32, &entry.fd, &entry.events) != 2)
            continue;
        struct rw_epoll_entry *grown = talloc_realloc(parent, *entries, struct rw_epoll_entry, *count + 1);
        if (!grown) {
            result = -ENOMEM;
            break;
        }
        *entries = grown;
        grown[(*count)++] = entry;
    }
    fclose(file);
    return result;
}
