/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>

/* A small file of /proc, with a final 0; its length or a negative errno. */
static ssize_t read_small(const char *path, char *buffer, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t used = 0;

    if (fd < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    while (used < size - 1) {
        ssize_t got = read(fd, buffer + used, size - 1 - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            int error = errno;
            close(fd);
            return -error;
        }
        if (got == 0)
            break;
        used += (size_t)got;
    }
    close(fd);
    buffer[used] = '\0';
    return (ssize_t)used;
}

int rw_proc_threads(void *parent, int pid, int **tids, size_t *count)
{
    char path[64];
    size_t room = 16, used = 0;
    struct dirent *entry;

    *tids = NULL;
    *count = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    DIR *folder = opendir(path);
    if (!folder)
        return errno == ENOENT ? -ESRCH : -errno;
    int *list = talloc_array(parent, int, room);
    while (list && (entry = readdir(folder))) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        if (used == room)
            list = talloc_realloc(parent, list, int, room *= 2);
        if (list)
            list[used++] = atoi(entry->d_name);
    }
    closedir(folder);
    if (!list)
        return -ENOMEM;
    if (used == 0) {
        talloc_free(list);
        return -ESRCH;
    }
    *tids = list;
    *count = used;
    return 0;
}

static int read_schedstat(int pid, int tid, struct rw_thread_times *times)
{
    char path[64], text[96];

    snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", pid, tid);
    ssize_t length = read_small(path, text, sizeof(text));
    if (length < 0)
        return (int)length;
    return sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64, &times->cpu_ns, &times->queued_ns,
                  &times->switches) == 3
               ? 0
               : -EPROTO;
}

int rw_proc_thread(int pid, int tid, struct rw_thread_times *times, char comm[RW_COMM_MAX])
{
    char path[64], text[512];
    uint64_t user, system;

    *times = (struct rw_thread_times){.tid = tid, .cpu = -1};
    snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
    ssize_t length = read_small(path, text, sizeof(text));
    if (length < 0)
        return (int)length;
    /* comm may hold anything, brackets too: its end is the last bracket of the line. */
    char *open_bracket = strchr(text, '('), *close_bracket = strrchr(text, ')');
    if (!open_bracket || !close_bracket || close_bracket < open_bracket)
        return -EPROTO;
    *close_bracket = '\0';
    if (comm)
        snprintf(comm, RW_COMM_MAX, "%s", open_bracket + 1);
    if (sscanf(
            close_bracket + 1,
            " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
            " %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %d",
            &times->state, &user, &system, &times->cpu) < 3)
        return -EPROTO;
    times->cpu_s = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    read_schedstat(pid, tid, times);
    return 0;
}

int rw_proc_switches(int pid, int tid, uint64_t *switches)
{
    struct rw_thread_times times = {0};

    int result = read_schedstat(pid, tid, &times);
    *switches = times.switches;
    return result;
}

static bool is_gone(char state)
{
    return state == 'Z' || state == 'X' || state == 'x';
}

int rw_proc_living_thread(int pid)
{
    struct rw_thread_times times;
    int *tids, found = -ESRCH;
    size_t count;

    /* The leader first: that is all there is to read nearly always. */
    int result = rw_proc_thread(pid, pid, &times, NULL);
    if (result < 0 || !is_gone(times.state))
        return result < 0 ? result : pid;
    result = rw_proc_threads(NULL, pid, &tids, &count);
    if (result < 0)
        return result;
    for (size_t i = 0; i < count && found < 0; i++)
        if (rw_proc_thread(pid, tids[i], &times, NULL) == 0 && !is_gone(times.state))
            found = tids[i];
    talloc_free(tids);
    return found;
}

/* Where there is no /proc, or one that hides it (hidepid), the kernel still knows it. */
static bool is_out_of_sight(int pid)
{
    char path[64];
    struct stat status;
    snprintf(path, sizeof(path), "/proc/%d", pid);
    return stat(path, &status) != 0 && (kill(pid, 0) == 0 || errno != ESRCH);
}

bool rw_proc_alive(int pid, uint64_t boottime_ns)
{
    char path[64], text[1024];
    uint64_t start_ticks;

    int living = rw_proc_living_thread(pid);
    if (living < 0)
        return living != -ESRCH || is_out_of_sight(pid);
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    ssize_t length = read_small(path, text, sizeof(text));
    if (length < 0)
        return length != -ESRCH;
    char *rest = strrchr(text, ')');
    if (!rest ||
        sscanf(rest + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %" SCNu64,
               &start_ticks) != 1)
        return false;
    /* Start times are cut to whole ticks, so the process itself never seems younger than it is. */
    uint64_t started_ns = start_ticks * (UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK));
    return boottime_ns == 0 || started_ns <= boottime_ns;
}

/* "Key:\tvalue" in /proc/PID/status. */
static const char *status_value(const char *text, const char *key)
{
    size_t length = strlen(key);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0 && line[length] == ':')
            return line + length + 1;
    }
    return "";
}

/* The last of some numbers on a line: "NSpid:\t4711\t12\t1". */
static const char *innermost(const char *numbers)
{
    const char *last = numbers;

    for (const char *at = numbers; *at != '\0' && *at != '\n'; at++)
        if (*at == '\t')
            last = at + 1;
    return last;
}

int rw_proc_status(int pid, int tid, struct rw_proc_status *status)
{
    char path[64], text[4096];

    *status = (struct rw_proc_status){0};
    snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
    ssize_t length = read_small(path, text, sizeof(text));
    if (length < 0)
        return (int)length;
    status->ppid = atoi(status_value(text, "PPid"));
    status->tracer_pid = atoi(status_value(text, "TracerPid"));
    status->own_tid = atoi(innermost(status_value(text, "NSpid")));
    status->caught = strtoull(status_value(text, "SigCgt"), NULL, 16);
    status->ignored = strtoull(status_value(text, "SigIgn"), NULL, 16);
    status->blocked = strtoull(status_value(text, "SigBlk"), NULL, 16);
    status->pending =
        strtoull(status_value(text, "SigPnd"), NULL, 16) | strtoull(status_value(text, "ShdPnd"), NULL, 16);
    status->blocks = -1;
    sscanf(status_value(text, "voluntary_ctxt_switches"), "%" SCNd64, &status->blocks);
    return 0;
}

int rw_proc_syscall(int pid, int tid, struct rw_proc_syscall *call)
{
    char path[64], text[256];
    uint64_t *a = call->argument;

    *call = (struct rw_proc_syscall){.number = -2};
    snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
    ssize_t length = read_small(path, text, sizeof(text));
    if (length < 0)
        return (int)length;
    if (strncmp(text, "running", 7) == 0)
        return 0;
    if (sscanf(text, "%d", &call->number) != 1)
        return -EPROTO;
    if (call->number < 0) {
        call->number = -1;
        return sscanf(text, "%*d %" SCNx64 " %" SCNx64, &call->stack_pointer, &call->pc) == 2 ? 0 : -EPROTO;
    }
    return sscanf(text,
                  "%*d %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64
                  " %" SCNx64,
                  &a[0], &a[1], &a[2], &a[3], &a[4], &a[5], &call->stack_pointer, &call->pc) == 8
               ? 0
               : -EPROTO;
}

static int read_link(void *parent, const char *path, const char **target)
{
    char text[PATH_MAX];
    ssize_t length = readlink(path, text, sizeof(text));

    *target = NULL;
    if (length < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    *target = talloc_strndup(parent, text, (size_t)length);
    return *target ? 0 : -ENOMEM;
}

int rw_proc_fd_target(void *parent, int pid, int tid, int fd, const char **target)
{
    char path[96];

    /* Of the thread: threads made by a bare clone may have a table of their own. */
    snprintf(path, sizeof(path), "/proc/%d/task/%d/fd/%d", pid, tid, fd);
    int result = read_link(parent, path, target);
    return result == -ESRCH ? -ENOENT : result;
}

const char *rw_proc_path(void *parent, int pid, const char *path)
{
    char link[64];
    const char *root;
    int tid = rw_proc_living_thread(pid);

    snprintf(link, sizeof(link), "/proc/%d/root", tid < 0 ? pid : tid);
    char *inside = talloc_asprintf(parent, "%s%s", link, path);
    if (!inside || access(inside, F_OK) == 0)
        return inside;
    /* Of a chroot in a mount namespace of its own the kernel shows paths from that namespace's root. */
    if (read_link(parent, link, &root) == 0) {
        size_t length = strlen(root);
        if (length > 1 && strncmp(path, root, length) == 0 && path[length] == '/') {
            talloc_free(inside);
            inside = talloc_asprintf(parent, "%s%s", link, path + length);
        }
        talloc_free((void *)root);
    }
    if (!inside || access(inside, F_OK) == 0)
        return inside;
    talloc_free(inside);
    return talloc_strdup(parent, path);
}

int rw_proc_executable(void *parent, int pid, const char **path)
{
    char link[64];
    int tid = rw_proc_living_thread(pid);

    *path = NULL;
    if (tid < 0)
        return tid;
    snprintf(link, sizeof(link), "/proc/%d/task/%d/exe", pid, tid);
    int result = read_link(parent, link, path);
    /* The kernel says so of a program that was built anew while it runs. */
    static const char mark[] = " (deleted)";
    size_t length = result == 0 ? strlen(*path) : 0;
    if (length > sizeof(mark) - 1 && strcmp(*path + length - (sizeof(mark) - 1), mark) == 0)
        *path = talloc_strndup(parent, *path, length - (sizeof(mark) - 1));
    return result;
}

int rw_proc_comm(int pid, char comm[RW_COMM_MAX])
{
    struct rw_thread_times times;

    return rw_proc_thread(pid, pid, &times, comm);
}
