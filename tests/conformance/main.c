/* SPDX-License-Identifier: MIT */
#include "tests/conformance/behaviour.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void tell(const char *name, long number)
{
    const char *error = number < 0   ? strerrorname_np((int)-number)
                        : number > 0 ? strerrorname_np((int)number)
                                     : NULL;
    printf("%s: %ld%s%s\n", name, number, error ? " " : "", error ? error : "");
    fflush(stdout);
}

struct timespec in_ms(clockid_t clock, long ms)
{
    struct timespec time;
    clock_gettime(clock, &time);
    time.tv_nsec += ms * 1000000;
    time.tv_sec += time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return time;
}

void *in_thread(void *(*function)(void *), void *argument)
{
    pthread_t thread;
    void *value = NULL;
    if (pthread_create(&thread, NULL, function, argument) == 0)
        pthread_join(thread, &value);
    return value;
}

/* "NUMBER ARGUMENTS..." in /proc. A wait with a time that somebody looked at, stopped, goes on as
 * restart_syscall. */
static bool is_blocked(const char *state, long call, const void *object, size_t size)
{
    long present = -1;
    unsigned long argument = 0;
    if (sscanf(state, "%ld 0x%lx", &present, &argument) != 2 || /* else it runs */
        (present != call && present != SYS_restart_syscall))
        return false;
    const uintptr_t begin = (uintptr_t)object;
    return begin == 0 || (argument >= begin && argument < begin + size);
}

void await_blocked(_Atomic pid_t *tid, long call, const void *object, size_t size)
{
    char path[64], state[256];
    while (*tid == 0)
        sched_yield();
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", (int)*tid);
    for (int calm = 0; calm < 20;) { /* not only for a moment, at a lock of the loader's or of stdio's */
        int fd = open(path, O_RDONLY);
        ssize_t length = read(fd, state, sizeof state - 1);
        close(fd);
        state[length > 0 ? length : 0] = '\0';
        calm = is_blocked(state, call, object, size) ? calm + 1 : 0;
        sched_yield();
    }
}

long status_of(pid_t pid)
{
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

/* What the processes that behaviours start are to do. */
static int child(const char *what)
{
    if (strcmp(what, "preload") == 0) /* not what it is: that it is there, and unchanged */
        return getenv("LD_PRELOAD") ? 10 : 11;
    if (strcmp(what, "status") == 0)
        return 7;
    if (strcmp(what, "limits") == 0) {
        tell_limits(NULL);
        return 0;
    }
    return 1;
}

/* The groups of behaviours; each is told the program's own path. */
static const struct group {
    const char *name;
    void (*tell)(const char *self);
} groups[] = {
    {"mutexes", tell_mutexes},
    {"conditions", tell_conditions},
    {"semaphores", tell_semaphores},
    {"rwlocks", tell_rwlocks_and_barriers},
    {"cancellation", tell_cancellation},
    {"points", tell_cancellation_points},
    {"contexts", tell_contexts},
    {"kept", tell_kept_and_times},
    {"threads", tell_threads},
    {"signals", tell_signals},
    {"crashes", tell_crashes},
    {"shared", tell_shared},
    {"destruction", tell_destruction},
    {"libraries", tell_libraries},
    {"namespaces", tell_namespaces},
    {"limits", tell_limits},
    {"processes", tell_processes},
    {"confined", tell_confined},
    {"forks", tell_forks},
    {"children", tell_children},
};

int main(int count, char **arguments)
{
    if (count == 2)
        return child(arguments[1]);
    const char *left_out = getenv("CONFORMANCE_WITHOUT"); /* names, each with a space behind it */
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        char name[32];
        snprintf(name, sizeof(name), "%s ", groups[i].name);
        if (left_out == NULL || strstr(left_out, name) == NULL)
            groups[i].tell(arguments[0]);
    }
    return 0;
}
