/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/holders.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>
#include <uthash.h>

#include "tools/incident/model.h"
#include "tools/snapshot/descriptor.h"
#include "tools/snapshot/proc.h"

/* The kernel's own number for the first PID namespace (PROC_PID_INIT_INO, include/linux/proc_ns.h): in it
 * every process of the machine can be seen. */
#define FIRST_PID_SPACE UINT64_C(0xEFFFFFFC)

#define KIN_DEPTH 64

/* What is looked for: one for all equal questions, in the order of compare_wanted. */
struct wanted {
    const char *target;
    uint64_t inode;
    bool needs_read, needs_write, needs_lock;
    struct rw_channel found; /* its holders alone */
    bool is_elsewhere;
};

/* A process whose parent was asked for. */
struct kin {
    int pid;
    int parent; /* 0: not known */
    UT_hash_handle hh;
};

struct scan {
    struct rw_incident *incident;
    void *scratch;
    struct wanted *wanted;
    size_t count;
    size_t memory_count; /* the first ones: those without a target */
    int *closed;         /* processes that could not be looked into */
    size_t closed_count;
    bool is_cut;
    int named_pid; /* what was read last of a process, and of which */
    const char *name;
    bool is_elsewhere;
    struct kin *kin;
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

static int compare_wanted(const void *left, const void *right)
{
    const struct wanted *a = left, *b = right;
    int order = strcmp(a->target ? a->target : "", b->target ? b->target : "");

    if (order == 0)
        order = (a->inode > b->inode) - (a->inode < b->inode);
    if (order == 0)
        order = a->needs_read - b->needs_read;
    if (order == 0)
        order = a->needs_write - b->needs_write;
    return order ? order : a->needs_lock - b->needs_lock;
}

/* Where those of this target, or else of this inode in memory, begin. */
static size_t first_wanted(const struct scan *scan, const char *target, uint64_t inode)
{
    const struct wanted key = {.target = target, .inode = inode};
    size_t low = 0, high = scan->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_wanted(&scan->wanted[middle], &key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* One descriptor of each process will do, and processes are looked at one after the other. */
static bool is_found_in(const struct wanted *wanted, int pid)
{
    const struct rw_channel *found = &wanted->found;

    return found->holder_count > 0 && found->holders[found->holder_count - 1].pid == pid;
}

static void add(struct scan *scan, struct wanted *wanted, int pid, int fd)
{
    char comm[RW_COMM_MAX];

    if (is_found_in(wanted, pid))
        return;
    if (scan->named_pid != pid) {
        scan->name = rw_proc_comm(pid, comm) == 0 ? talloc_strdup(scan->incident, comm) : NULL;
        scan->is_elsewhere = rw_proc_is_elsewhere(pid);
        scan->named_pid = pid;
    }
    wanted->is_elsewhere |= scan->is_elsewhere;
    rw_channel_add_holder(scan->incident, &wanted->found, pid, fd, scan->name);
}

/* What a descriptor leads to, with a final 0. */
static bool read_target(int folder, const char *fd, char target[PATH_MAX])
{
    ssize_t length = readlinkat(folder, fd, target, PATH_MAX - 1);

    if (length < 0)
        return false; /* closed meanwhile */
    target[length] = '\0';
    if (strcmp(target, RW_PTY_MASTER_TOO) == 0)
        strcpy(target, RW_PTY_MASTER);
    return true;
}

/* How a descriptor was opened: the link's own mode tells (fs/proc/fd.c, tid_fd_update_inode), and that takes
 * a fraction of the time of its fdinfo. Five hundred processes may have each other's ends, a hundred
 * thousand. */
static bool read_mode(int folder, const char *fd, struct rw_descriptor *out)
{
    struct stat link;

    if (fstatat(folder, fd, &link, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    out->reads = link.st_mode & S_IRUSR;
    out->writes = link.st_mode & S_IWUSR;
    return true;
}

/* Whether what was read of it since was still read of the same thing. */
static bool leads_there(int folder, const char *fd, const char *target)
{
    char again[PATH_MAX];

    return read_target(folder, fd, again) && strcmp(again, target) == 0;
}

static void look_at_descriptor(struct scan *scan, int pid, int folder, const char *fd, const char *target)
{
    struct rw_descriptor descriptor = {.inode = 0};
    bool is_read = false;

    for (size_t i = first_wanted(scan, target, 0); i < scan->count; i++) {
        struct wanted *wanted = &scan->wanted[i];
        if (!wanted->target || strcmp(wanted->target, target) != 0)
            break;
        if (is_found_in(wanted, pid))
            continue;
        bool needs_all = wanted->inode || wanted->needs_lock;
        if (needs_all && !descriptor.target &&
            (rw_descriptor_read(scan->scratch, pid, pid, atoi(fd), &descriptor) < 0 ||
             strcmp(descriptor.target, target) != 0))
            return;
        if (!needs_all && !is_read && !read_mode(folder, fd, &descriptor))
            return;
        is_read = true;
        if ((wanted->needs_read && !descriptor.reads) || (wanted->needs_write && !descriptor.writes) ||
            (wanted->needs_lock && !descriptor.has_lock) ||
            (wanted->inode && descriptor.inode != wanted->inode))
            continue;
        if (!needs_all && !leads_there(folder, fd, target))
            return;
        add(scan, wanted, pid, atoi(fd));
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
    while ((entry = readdir(folder)))
        if (isdigit((unsigned char)entry->d_name[0]) && read_target(dirfd(folder), entry->d_name, target))
            look_at_descriptor(scan, pid, dirfd(folder), entry->d_name, target);
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
        size_t at = first_wanted(scan, NULL, inode);
        if (at < scan->memory_count && scan->wanted[at].inode == inode)
            add(scan, &scan->wanted[at], pid, -1);
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
    if (scan->count > scan->memory_count)
        result = look_at_descriptors(scan, pid);
    if (scan->memory_count > 0 && result == 0)
        result = look_at_maps(scan, pid);
    if (result == 0 || result == -ENOENT || result == -ESRCH)
        return;
    int *grown = talloc_realloc(scan->scratch, scan->closed, int, scan->closed_count + 1);
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

static int parent_of(struct scan *scan, int pid)
{
    struct rw_proc_status status;
    struct kin *kin;

    HASH_FIND_INT(scan->kin, &pid, kin);
    if (!kin) {
        kin = talloc_zero(scan->scratch, struct kin);
        if (!kin)
            return 0;
        kin->pid = pid;
        kin->parent = rw_proc_status(pid, pid, &status) < 0 ? 0 : status.ppid;
        HASH_ADD_INT(scan->kin, pid, kin);
    }
    return kin->parent;
}

/* Whether `above` is `below`'s parent, or its parent's, and so on: descriptors are inherited along that line.
 */
static bool is_above(struct scan *scan, int above, int below)
{
    for (int depth = 0; depth < KIN_DEPTH && below > 1; depth++) {
        below = parent_of(scan, below);
        if (below == above)
            return true;
    }
    return false;
}

static void conclude(struct scan *scan, const struct rw_held_by *question, const char *unseen)
{
    struct rw_channel *channel = question->channel;

    channel->is_complete = 1;
    if (scan->is_cut) {
        channel->is_complete = 0;
        channel->note = "there are more processes than are looked into";
    }
    for (size_t i = 0; i < scan->closed_count && channel->is_complete == 1; i++) {
        int pid = scan->closed[i];
        channel->note = "some processes of other users could not be looked into";
        /* The first process becomes everybody's parent in the end: that makes it no relative. */
        if (pid == 1 || (!is_above(scan, pid, question->waiter) && !is_above(scan, question->waiter, pid)))
            continue;
        channel->is_complete = 0;
        channel->note =
            talloc_asprintf(scan->incident, "process %d, a relative, could not be looked into", pid);
    }
    if (channel->is_complete == 1 && !channel->note)
        channel->note = unseen;
    /* With no other end at all the call would have returned: somebody unseen has it. */
    if (channel->holder_count == 0 && channel->is_complete == 1) {
        channel->is_complete = 0;
        channel->note = question->needs_lock ? "no process that can be seen has the lock"
                                             : "no process that can be seen has the other end";
    }
}

/* Why there may be processes that nobody here can see; NULL where there are none. */
static const char *why_unseen(void)
{
    struct stat space;
    bool is_container = stat("/proc/self/ns/pid", &space) < 0 || space.st_ino != FIRST_PID_SPACE;

    if (is_container && rw_proc_hides_processes())
        return "processes of other users are hidden (hidepid), and those outside of this container could not "
               "be seen";
    if (is_container)
        return "processes outside of this container could not be seen";
    return rw_proc_hides_processes() ? "processes of other users are hidden (hidepid)" : NULL;
}

static struct wanted wanted_by(const struct rw_held_by *question)
{
    return (struct wanted){.target = question->target,
                           .inode = question->inode,
                           .needs_read = question->needs_read,
                           .needs_write = question->needs_write,
                           .needs_lock = question->needs_lock};
}

static bool collect_wanted(struct scan *scan, const struct rw_held_by *questions, size_t count)
{
    scan->wanted = talloc_array(scan->scratch, struct wanted, count);
    for (size_t i = 0; scan->wanted && i < count; i++)
        scan->wanted[i] = wanted_by(&questions[i]);
    if (!scan->wanted)
        return false;
    qsort(scan->wanted, count, sizeof *scan->wanted, compare_wanted);
    for (size_t i = 0; i < count; i++)
        if (scan->count == 0 || compare_wanted(&scan->wanted[scan->count - 1], &scan->wanted[i]) != 0)
            scan->wanted[scan->count++] = scan->wanted[i];
    while (scan->memory_count < scan->count && !scan->wanted[scan->memory_count].target)
        scan->memory_count++;
    return true;
}

void rw_holders_find(struct rw_incident *incident, struct rw_held_by *questions, size_t count)
{
    struct scan scan = {.incident = incident, .scratch = talloc_new(NULL)};

    if (count == 0 || !scan.scratch || !collect_wanted(&scan, questions, count)) {
        talloc_free(scan.scratch);
        return;
    }
    walk(&scan);
    const char *unseen = why_unseen();
    for (size_t i = 0; i < count; i++) {
        const struct wanted key = wanted_by(&questions[i]);
        const struct wanted *answer =
            bsearch(&key, scan.wanted, scan.count, sizeof *scan.wanted, compare_wanted);
        questions[i].channel->holders = answer->found.holders;
        questions[i].channel->holder_count = answer->found.holder_count;
        questions[i].is_elsewhere = answer->is_elsewhere;
        conclude(&scan, &questions[i], unseen);
    }
    HASH_CLEAR(hh, scan.kin);
    talloc_free(scan.scratch);
}
