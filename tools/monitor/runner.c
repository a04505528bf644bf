/* SPDX-License-Identifier: MIT */
#include "tools/monitor/runner.h"

#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/snapshot/proc.h"

#define BYTES_MAX (128 * 1024)

/* All of /proc/PID/<name> that fits, ended by two NULs; the caller frees it. */
static char *read_words(int pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *words = fd < 0 ? NULL : calloc(1, BYTES_MAX + 2);
    ssize_t length;
    size_t total = 0;
    while (words != NULL && total < BYTES_MAX && (length = read(fd, words + total, BYTES_MAX - total)) > 0)
        total += (size_t)length;
    if (fd >= 0)
        close(fd);
    return words;
}

static double seconds(const char *text)
{
    char *end;
    double value = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(value) && value > 0 && value < 1e6 ? value : 0;
}

/* The value of the last word that begins with `name` + "=", or, with `alone`, that follows the word `name`.
 */
static double find(const char *words, const char *name, int alone)
{
    size_t length = strlen(name);
    double found = 0;
    for (const char *word = words; *word != '\0'; word += strlen(word) + 1) {
        const char *next = word + strlen(word) + 1;
        if (strncmp(word, name, length) != 0)
            continue;
        if (word[length] == '=')
            found = seconds(word + length + 1);
        else if (alone && word[length] == '\0' && *next != '\0')
            found = seconds(next);
    }
    return found;
}

static double own_timeout_s(int pid)
{
    char *arguments = read_words(pid, "cmdline"), *environment = read_words(pid, "environ");
    double found = 0;
    /* --timeout is everybody's option; here it is asked of a process that runs pytest's tests. */
    if (arguments != NULL)
        found = find(arguments, "--timeout", 1);
    if (found == 0 && environment != NULL)
        found = find(environment, "PYTEST_TIMEOUT", 0);
    free(arguments);
    free(environment);
    return found;
}

/* `racewatch run --timeout=3 -- pytest` gives pytest no time-out. */
static bool is_racewatch(int pid)
{
    char path[64];
    struct stat theirs, ours;
    snprintf(path, sizeof(path), "/proc/%d/exe", pid);
    return stat(path, &theirs) == 0 && stat("/proc/self/exe", &ours) == 0 && theirs.st_dev == ours.st_dev &&
           theirs.st_ino == ours.st_ino;
}

double rw_runner_timeout_s(int pid)
{
    struct rw_proc_status status;
    double found = own_timeout_s(pid);
    /* A worker of pytest-xdist is told over a pipe: the command line is its parent's. */
    if (found == 0 && rw_proc_status(pid, pid, &status) == 0 && status.ppid > 1 && !is_racewatch(status.ppid))
        found = own_timeout_s(status.ppid);
    return found;
}
