/* SPDX-License-Identifier: MIT */
/* A process among others: its children, what it was started as, and whether it can be seen as it is. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>

#include "tools/basics/paths.h"
#include "tools/snapshot/proc.h"

/* Adds the numbers in /proc/PID/task/TID/children, which a kernel without CONFIG_PROC_CHILDREN does not have.
 */
static int add_children(void *parent, int pid, int tid, int **pids, size_t *count)
{
    char path[64];
    int child;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, tid);
    FILE *file = fopen(path, "re");
    if (!file)
        return -errno;
    while (fscanf(file, "%d", &child) == 1) {
        int *grown = talloc_realloc(parent, *pids, int, *count + 1);
        if (!grown) {
            fclose(file);
            return -ENOMEM;
        }
        *pids = grown;
        (*pids)[(*count)++] = child;
    }
    fclose(file);
    return 0;
}

int rw_proc_children(void *parent, int pid, int **pids, size_t *count)
{
    int *tids;
    size_t threads;

    *pids = NULL;
    *count = 0;
    int result = rw_proc_threads(NULL, pid, &tids, &threads);
    if (result < 0)
        return result;
    for (size_t i = 0; i < threads; i++) {
        /* A thread that ended meanwhile has handed its children on. */
        result = add_children(parent, pid, tids[i], pids, count);
        if (result == -ENOENT || result == -ESRCH)
            result = 0;
        if (result < 0)
            break;
    }
    talloc_free(tids);
    return result;
}

/* Programs whose first plain argument names what they run. */
static bool is_interpreter(const char *name)
{
    static const char *const names[] = {"python", "pypy", "bash", "sh", "dash", "perl", "ruby", "node"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t length = strlen(names[i]);
        if (strncmp(name, names[i], length) == 0 && !isalpha((unsigned char)name[length]))
            return true;
    }
    return false;
}

int rw_proc_command(void *parent, int pid, const char **command)
{
    char path[64], text[4096];
    int tid = rw_proc_living_thread(pid);

    *command = NULL;
    if (tid < 0)
        return tid;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/cmdline", pid, tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    ssize_t length = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (length <= 0)
        return length < 0 ? -errno : -ESRCH;
    text[length] = '\0';
    const char *end = text + length, *argument = text + strlen(text) + 1, *script = NULL, *how = "";
    if (is_interpreter(rw_base_name(text)))
        for (; argument < end && !script; argument += strlen(argument) + 1) {
            if (strcmp(argument, "-m") == 0) {
                how = "-m ";
                argument += strlen(argument) + 1;
                script = argument < end ? argument : NULL;
                break;
            }
            /* -c, -Ic, ...: code, not a file. The values of -W and -X follow at once, or stand alone. */
            if (argument[0] == '-' && !strchr("-WX", argument[1]) && strchr(argument, 'c'))
                break;
            if (strcmp(argument, "-W") == 0 || strcmp(argument, "-X") == 0)
                argument += strlen(argument) + 1;
            else if (argument[0] != '-')
                script = argument;
            if (argument >= end)
                break;
        }
    *command = script ? talloc_asprintf(parent, "%s %s%s", text, how, script) : talloc_strdup(parent, text);
    return *command ? 0 : -ENOMEM;
}

bool rw_proc_is_elsewhere(int pid)
{
    char path[64];
    struct stat here, there;

    snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
    return stat("/proc/self/ns/pid", &here) == 0 && stat(path, &there) == 0 && here.st_ino != there.st_ino;
}

int rw_proc_find_elsewhere(uint64_t space, int own_pid)
{
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    int found = -ESRCH;

    while (folder && found < 0 && (entry = readdir(folder))) {
        int pid = isdigit((unsigned char)entry->d_name[0]) ? atoi(entry->d_name) : 0;
        struct rw_proc_status status;
        struct stat its;
        char path[64];
        snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
        if (pid > 0 && stat(path, &its) == 0 && its.st_ino == space &&
            rw_proc_status(pid, pid, &status) == 0 && status.own_tid == own_pid)
            found = pid;
    }
    if (folder)
        closedir(folder);
    return found;
}

bool rw_proc_hides_processes(void)
{
    char *line = NULL;
    size_t room = 0;
    bool hides = false;
    FILE *file = fopen("/proc/self/mountinfo", "re");

    while (file && getline(&line, &room, file) >= 0) {
        char place[16];
        /* The last one mounted there is the one that is seen. "noaccess" shows them, and lets nobody in. */
        if (sscanf(line, "%*s %*s %*s %*s %15s", place) != 1 || strcmp(place, "/proc") != 0)
            continue;
        const char *option = strstr(line, "hidepid=");
        const char *value = option ? option + strlen("hidepid=") : "off";
        hides = strchr("24ip", value[0]) != NULL; /* 2 or invisible, 4 or ptraceable */
    }
    free(line);
    if (file)
        fclose(file);
    return hides;
}
