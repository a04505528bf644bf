/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/holders.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>

#include "tools/incident/model.h"
#include "tools/snapshot/descriptor.h"
#include "tools/snapshot/proc.h"

/* The kernel's own number for the first PID namespace (PROC_PID_INIT_INO, include/linux/proc_ns.h): in it
 * every process of the machine can be seen. */
#define FIRST_PID_SPACE UINT64_C(0xEFFFFFFC)

#define KIN_DEPTH 64

struct scan {
    struct rw_incident *incident;
    struct rw_held_by *questions;
    size_t count;
    bool wants_maps, wants_descriptors;
    int *closed; /* processes that could not be looked into */
    size_t closed_count;
    bool is_cut;
    int named_pid; /* whose name was read last, and that */
    const char *name;
};

static bool is_same_file(const char *a, const char *b)
{
    struct stat first, second;

    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

static bool is_racewatch(int pid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/exe", pid);
    return pid == getpid() || is_same_file(path, "/proc/self/exe");
}

static void add(struct scan *scan, struct rw_held_by *question, int pid, int fd)
{
    struct rw_channel *channel = question->channel;
    char comm[RW_COMM_MAX];

    /* One descriptor of each process will do, and processes are looked at one after the other. */
    if (channel->holder_count > 0 && channel->holders[channel->holder_count - 1].pid == pid)
        return;
    if (scan->named_pid != pid) {
        scan->name = rw_proc_comm(pid, comm) == 0 ? talloc_strdup(scan->incident, comm) : NULL;
        scan->named_pid = pid;
    }
    rw_channel_add_holder(scan->incident, channel, pid, fd, scan->name);
}

static void look_at_descriptor(struct scan *scan, int pid, int fd, const char *target)
{
    struct rw_descriptor descriptor;
    bool is_read = false;

    for (size_t i = 0; i < scan->count; i++) {
        struct rw_held_by *question = &scan->questions[i];
        if (!question->target || strcmp(question->target, target) != 0)
            continue;
        if (!is_read && rw_descriptor_read(scan->incident, pid, pid, fd, &descriptor) < 0)
            return;
        is_read = true;
        if ((question->needs_read && !descriptor.reads) || (question->needs_write && !descriptor.writes) ||
            strcmp(descriptor.target, target) != 0 || (question->needs_lock && !descriptor.has_lock) ||
            (question->inode && descriptor.inode != question->inode))
            continue;
        add(scan, question, pid, fd);
    }
}

static int look_at_descriptors(struct scan *scan, int pid)
{
    char path[64], target[PATH_MAX];
    struct dirent *entry;

    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    DIR *folder = opendir(path);
    if (!folder)
        return -errno;
    errno = 0;
    while ((entry = readdir(folder))) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);
        if (length < 0)
            continue; /* closed meanwhile */
        target[length] = '\0';
        look_at_descriptor(scan, pid, atoi(entry->d_name), target);
    }
    closedir(folder);
    return 0;
}

static int look_at_maps(struct scan *scan, int pid)
{
    char path[64], line[PATH_MAX + 128], mode[8];
    uint64_t inode;

    snprintf(path, sizeof(path), "/proc/%d/maps", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return -errno;
    while (fgets(line, sizeof(line), file)) {
        if (sscanf(line, "%*x-%*x %7s %*x %*s %" SCNu64, mode, &inode) != 2 || mode[3] != 's' || !inode)
            continue;
        for (size_t i = 0; i < scan->count; i++)
            if (!scan->questions[i].target && scan->questions[i].inode == inode)
                add(scan, &scan->questions[i], pid, -1);
    }
    int result = ferror(file) ? -EACCES : 0;
    fclose(file);
    return result;
}

static void look_at_process(struct scan *scan, int pid)
{
    int result = 0;

    if (is_racewatch(pid))
        return;
    if (scan->wants_descriptors)
        result = look_at_descriptors(scan, pid);
    if (scan->wants_maps && result == 0)
        result = look_at_maps(scan, pid);
    if (result == 0 || result == -ENOENT || result == -ESRCH)
        return;
    int *grown = talloc_realloc(scan->incident, scan->closed, int, scan->closed_count + 1);
    if (grown) {
        scan->closed = grown;
        grown[scan->closed_count++] = pid;
    }
}

static void walk(struct scan *scan)
{
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    size_t count = 0;

    while (folder && (entry = readdir(folder))) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        if (count++ == RW_HOLDERS_PROCESSES_MAX) {
            scan->is_cut = true;
            break;
        }
        look_at_process(scan, atoi(entry->d_name));
    }
    if (folder)
        closedir(folder);
    else
        scan->is_cut = true;
}

/* Whether `above` is `below`'s parent, or its parent's, and so on: descriptors are inherited along that line.
 */
static bool is_above(int above, int below)
{
    struct rw_proc_status status;

    for (int depth = 0; depth < KIN_DEPTH && below > 1; depth++) {
        if (rw_proc_status(below, below, &status) < 0)
            return false;
        below = status.ppid;
        if (below == above)
            return true;
    }
    return false;
}

static void conclude(const struct scan *scan, struct rw_held_by *question)
{
    struct rw_channel *channel = question->channel;
    struct stat space;

    channel->is_complete = 1;
    if (scan->is_cut) {
        channel->is_complete = 0;
        channel->note = "there are more processes than are looked into";
    }
    for (size_t i = 0; i < scan->closed_count && channel->is_complete == 1; i++) {
        int pid = scan->closed[i];
        channel->note = "some processes of other users could not be looked into";
        /* The first process becomes everybody's parent in the end: that makes it no relative. */
        if (pid == 1 || (!is_above(pid, question->waiter) && !is_above(question->waiter, pid)))
            continue;
        channel->is_complete = 0;
        channel->note =
            talloc_asprintf(scan->incident, "process %d, a relative, could not be looked into", pid);
    }
    if (channel->is_complete == 1 && !channel->note &&
        (stat("/proc/self/ns/pid", &space) < 0 || space.st_ino != FIRST_PID_SPACE))
        channel->note = "processes outside of this container could not be seen";
    if (channel->is_complete == 1 && !channel->note && rw_proc_hides_processes())
        channel->note = "processes of other users are hidden (hidepid)";
    /* With no other end at all the call would have returned: somebody unseen has it. */
    if (channel->holder_count == 0 && channel->is_complete == 1) {
        channel->is_complete = 0;
        channel->note = question->needs_lock ? "no process that can be seen has the lock"
                                             : "no process that can be seen has the other end";
    }
}

void rw_holders_find(struct rw_incident *incident, struct rw_held_by *questions, size_t count)
{
    struct scan scan = {.incident = incident, .questions = questions, .count = count};

    for (size_t i = 0; i < count; i++) {
        scan.wants_descriptors |= questions[i].target != NULL;
        scan.wants_maps |= questions[i].target == NULL;
    }
    if (count == 0)
        return;
    walk(&scan);
    for (size_t i = 0; i < count; i++)
        conclude(&scan, &questions[i]);
    talloc_free(scan.closed);
}
