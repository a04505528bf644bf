/* SPDX-License-Identifier: MIT */
/*
 * One descriptor of another process, from /proc alone. Nothing is opened or duplicated: a descriptor of ours
 * on a pipe would itself be a reader or writer of it, and hide from the program that the last one has gone.
 * That is also why nobody asks how full a pipe is (FIONREAD needs a descriptor): who is blocked in write()
 * says that it is full, and who is blocked in read() that it is empty. For this folder.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_DESCRIPTOR_H
#define RACEWATCH_TOOLS_SNAPSHOT_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* /dev/ptmx may be a link to what has this name. */
#define RW_PTY_MASTER "/dev/ptmx"
#define RW_PTY_MASTER_TOO "/dev/pts/ptmx"

struct rw_descriptor {
    const char
        *kind; /* struct rw_channel's, but "socket" and "epoll" and "pidfd" for what is to be resolved */
    const char *target; /* "pipe:[123]", "socket:[456]", a path; RW_PTY_MASTER of any instance of devpts */
    uint64_t inode; /* an eventfd's own number; of a pseudo-terminal, both ends, that of its path plus 1 */
    bool reads, writes; /* as it was opened */
    bool has_lock;      /* a file lock (flock, fcntl) that was taken by it, or by one that it was copied of */
    int pid;            /* a pidfd's process; -1 */
};

/* Strings are under `parent`. 0; -ENOENT where there is no such descriptor; -EACCES. */
int rw_descriptor_read(void *parent, int pid, int tid, int fd, struct rw_descriptor *out);

struct rw_epoll_entry {
    int fd;
    uint32_t events; /* 0 but for flags: disarmed (EPOLLONESHOT that has fired) */
};

/* What an epoll descriptor watches: a talloc array under `parent`. 0 or a negative errno. */
int rw_descriptor_epoll(void *parent, int pid, int tid, int fd, struct rw_epoll_entry **entries,
                        size_t *count);

#endif
