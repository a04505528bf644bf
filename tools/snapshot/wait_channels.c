/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/wait_channels.h"

#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <talloc.h>

#include "tools/incident/model.h"
#include "tools/snapshot/descriptor.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* Of one wait; what lies beyond is said to be there, by a channel that anybody may end. A pool waits for each
 * of its workers: as many as processes are looked at. */
#define CHANNELS_MAX 1024

struct context {
    const struct rw_wait_look *look;
    struct rw_thread *thread;
    struct rw_wait_on *wait;
};

/* How a call of this kind is ended from the other side. */
static const struct {
    const char *kind, *wants;
} wants[] = {
    {"read", "data"},         {"recv", "data"},          {"write", "room"},       {"send", "room"},
    {"accept", "connection"}, {"connect", "connection"}, {"file-lock", "unlock"},
};

/* Who waits for one of these: */
static const struct {
    const char *target, *note;
} not_come[] = {
    {"anon_inode:inotify", "nothing has happened to what it watches"},
    {"anon_inode:[signalfd]", "none of its signals has come to it"},
    {"anon_inode:[timerfd]", "its timer has not expired, or is not set"},
};

static void add_open_end(const struct context *in, const char *name)
{
    rw_wait_add_channel(in->look->incident, in->wait, "other", "data")->name = name;
}

static void add_process(const struct context *in, int pid)
{
    struct rw_channel *channel = rw_wait_add_channel(in->look->incident, in->wait, "process", "exit");
    char comm[RW_COMM_MAX];
    const char *name = rw_proc_comm(pid, comm) == 0 ? talloc_strdup(in->look->incident, comm) : NULL;

    channel->name = talloc_asprintf(in->look->incident, name ? "process %d (%s)" : "process %d", pid, name);
    rw_channel_add_holder(in->look->incident, channel, pid, -1, name);
}

static void add_descriptor(const struct context *in, int fd, const char *want)
{
    struct rw_descriptor descriptor;

    if (in->wait->channel_count == CHANNELS_MAX) {
        add_open_end(in, "further descriptors");
        return;
    }
    if (in->wait->channel_count > CHANNELS_MAX)
        return;
    if (rw_descriptor_read(in->look->incident, in->look->image->pid, in->thread->tid, fd, &descriptor) < 0) {
        add_open_end(in, talloc_asprintf(in->look->incident, "fd %d", fd));
        return;
    }
    if (strcmp(descriptor.kind, "pidfd") == 0 && descriptor.pid > 0) {
        add_process(in, descriptor.pid);
        return;
    }
    const char *kind = strcmp(want, "unlock") == 0 ? "file-lock" : descriptor.kind;
    struct rw_channel *channel = rw_wait_add_channel(in->look->incident, in->wait, kind, want);
    channel->fd = fd;
    channel->name = descriptor.target;
    channel->inode = descriptor.inode;
    for (size_t i = 0; i < sizeof(not_come) / sizeof(not_come[0]); i++)
        if (strcmp(descriptor.target, not_come[i].target) == 0)
            channel->note = not_come[i].note;
}

static void add_polled(const struct context *in, int fd, uint32_t events)
{
    bool reads = events & (POLLIN | POLLRDNORM | POLLPRI), writes = events & (POLLOUT | POLLWRNORM);

    /* Both: whichever comes first. Neither: an end or an error alone, which the other side brings about too.
     */
    if (reads || !writes)
        add_descriptor(in, fd, "data");
    if (writes)
        add_descriptor(in, fd, "room");
}

static void add_poll(const struct context *in, uint64_t address, uint64_t count)
{
    size_t taken = count > CHANNELS_MAX + 1 ? CHANNELS_MAX + 1 : count;
    struct pollfd *set = talloc_array(NULL, struct pollfd, (unsigned)taken + 1);

    if (!set || rw_memory_read(in->look->image->memory, address, set, taken * sizeof(*set)) < 0) {
        add_open_end(in, "descriptors that could not be read");
        taken = 0;
    }
    for (size_t i = 0; i < taken; i++)
        if (set[i].fd >= 0)
            add_polled(in, set[i].fd, (uint32_t)(unsigned short)set[i].events);
    talloc_free(set);
}

/* The kernel writes a select()'s sets when it returns, so they are still as the caller gave them. */
static void add_select(const struct context *in, const struct rw_proc_syscall *call)
{
    static const uint32_t events[] = {POLLIN, POLLOUT, POLLIN};
    int limit = (int32_t)call->argument[0] > FD_SETSIZE ? FD_SETSIZE : (int32_t)call->argument[0];

    for (int which = 0; which < 3; which++) {
        uint64_t address = call->argument[1 + which];
        fd_set set;
        FD_ZERO(&set);
        if (!address || limit <= 0)
            continue;
        /* Whole words: no more need be mapped. */
        if (rw_memory_read(in->look->image->memory, address, &set, ((size_t)limit + 63) / 64 * 8) < 0)
            add_open_end(in, "descriptors that could not be read");
        for (int fd = 0; fd < limit; fd++)
            if (FD_ISSET(fd, &set))
                add_polled(in, fd, events[which]);
    }
}

/* How epoll tells, not of what. */
#define MODES (EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE)

static void add_epoll(const struct context *in, int fd)
{
    struct rw_epoll_entry *entries;
    size_t count;

    if (rw_descriptor_epoll(in->look->incident, in->look->image->pid, in->thread->tid, fd, &entries, &count) <
        0) {
        add_open_end(in, "descriptors that could not be read");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        size_t before = in->wait->channel_count;
        add_polled(in, entries[i].fd, entries[i].events);
        for (size_t j = before; j < in->wait->channel_count; j++)
            in->wait->channels[j].is_only_news =
                (entries[i].events & EPOLLET) || !(entries[i].events & ~(uint32_t)MODES);
    }
    /* An empty set may be filled by another thread meanwhile; nothing else can. */
}

static void add_children(const struct context *in)
{
    int *pids;
    size_t count;

    if (rw_proc_children(in->look->incident, in->look->image->pid, &pids, &count) < 0) {
        add_open_end(in, "child processes");
        return;
    }
    for (size_t i = 0; i < count && i < CHANNELS_MAX; i++)
        add_process(in, pids[i]);
    if (count > CHANNELS_MAX)
        add_open_end(in, "further child processes");
    talloc_free(pids);
}

static void add_waited(const struct context *in, const struct rw_proc_syscall *call)
{
    int32_t first = (int32_t)call->argument[0], second = (int32_t)call->argument[1];
    struct rw_descriptor descriptor;

    switch (call->number) {
    case SYS_wait4:
        if (first > 0)
            add_process(in, first);
        else
            add_children(in);
        break;
    case SYS_waitid:
        if (first == P_PID)
            add_process(in, second);
        else if (first == P_PIDFD &&
                 rw_descriptor_read(in->look->incident, in->look->image->pid, in->thread->tid, second,
                                    &descriptor) == 0 &&
                 descriptor.pid > 0)
            add_process(in, descriptor.pid);
        else if (first == P_ALL || first == P_PGID)
            add_children(in);
        break;
    default: /* vfork and the like: exec ends it as well, and that anybody may do */
        break;
    }
}

void rw_wait_channels(const struct rw_wait_look *look, struct rw_thread *thread,
                      const struct rw_proc_syscall *call, const struct rw_call *what)
{
    const struct context in = {look, thread, thread->waits_on};

    switch (call->number) {
    case SYS_poll:
    case SYS_ppoll:
        add_poll(&in, call->argument[0], call->argument[1]);
        return;
    case SYS_select:
    case SYS_pselect6:
        add_select(&in, call);
        return;
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
        add_epoll(&in, (int32_t)call->argument[0]);
        return;
    case SYS_splice:
    case SYS_sendfile:
    case SYS_mq_timedreceive:
    case SYS_mq_timedsend: /* two descriptors, or one that has no other end */
        add_open_end(&in, in.wait->name);
        return;
    }
    if (strcmp(what->kind, "process") == 0)
        add_waited(&in, call);
    for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]) && in.wait->fd >= 0; i++)
        if (strcmp(what->kind, wants[i].kind) == 0)
            add_descriptor(&in, in.wait->fd, wants[i].wants);
}

void rw_wait_memory(const struct rw_wait_look *look, struct rw_wait_on *wait, uint64_t address)
{
    const struct rw_mapping *mapping = rw_maps_find(look->image->maps, address);

    if (!mapping || !mapping->shared)
        return;
    struct rw_channel *channel = rw_wait_add_channel(look->incident, wait, "memory", "post");
    channel->inode = mapping->inode;
    channel->name =
        talloc_asprintf(look->incident, "%s+0x%" PRIx64, mapping->path ? mapping->path : "shared memory",
                        address - mapping->start + mapping->offset);
}
