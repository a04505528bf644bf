/* SPDX-License-Identifier: MIT */
/*
 * Starts the monitor so that the program never learns of it.
 *
 * The program's wait(-1) reports every child with an exit signal; execve gives one even to a child that was
 * cloned without. So the monitor is a grandchild, and the child between is cloned without exit signal, never
 * execs, and is reaped here with __WALL. Both share our memory until the exec (CLONE_VM | CLONE_VFORK): a
 * large program pays nothing, no pthread_atfork handler runs, and an exec that fails can be told.
 *
 * An orphan goes to the nearest ancestor that is a child subreaper, or to pid 1 of its namespace. Where that
 * is this very process, the monitor would become its child again; there the child between stays as the
 * monitor's parent, in memory of its own (a copy, so that it holds nothing of the program's), until the
 * monitor ends.
 */
#include "shim/session_begin.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/raw.h"
#include "shim/raw_clone.h"
#include "shim/recording_file.h"
#include "shim/self.h"
#include "shim/text.h"

#define STACK 16384

struct start {
    char program[PATH_MAX];
    char **environment;
    char **arguments;
    int report; /* descriptor that `outcome` is written to; -1: memory is shared */
    struct {
        int32_t pid;
        int32_t error;
    } outcome;
    char *monitor_stack;
};

static void close_from(unsigned first)
{
    if (rw_raw3(SYS_close_range, first, ~0u, 0) == 0)
        return;
    struct rlimit limit = {0};
    rw_raw4(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&limit);
    for (unsigned fd = first; fd < limit.rlim_cur && fd < 65536; fd++)
        rw_raw3(SYS_close, fd, 0, 0);
}

static void leave_descriptors(void)
{
    long null = rw_raw3(SYS_open, (long)"/dev/null", O_RDWR, 0);
    for (int fd = 0; fd < 3; fd++) {
        if (null >= 0 && null != fd)
            rw_raw3(SYS_dup2, null, fd, 0);
        else if (null < 0)
            rw_raw3(SYS_close, fd, 0, 0);
    }
    close_from(3);
}

static void default_signals(void)
{
    const uint64_t none = 0;
    const struct {
        uint64_t handler, flags, restorer, mask;
    } initial = {0};
    for (int signal = 1; signal <= 64; signal++)
        rw_raw4(SYS_rt_sigaction, signal, (long)&initial, 0, sizeof none);
    rw_raw4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, sizeof none);
}

/* Where memory is short, as in a small cgroup, the kernel ends the process that has most of it, and that may
 * be the program, which would not have run short without us. The loader of the monitor takes memory too, so
 * this cannot wait until it runs. Of processes that share their memory the kernel changes all, but not for
 * one that was made as by vfork (__set_oom_adj, fs/proc/base.c). */
static void go_first(void)
{
    long fd = rw_raw3(SYS_open, (long)"/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    rw_raw3(SYS_write, fd, (long)"1000", 4);
    rw_raw3(SYS_close, fd, 0, 0);
}

static int become_monitor(void *argument)
{
    struct start *start = argument;
    rw_raw0(SYS_setsid);
    default_signals();
    leave_descriptors();
    go_first();
    rw_raw3(SYS_chdir, (long)"/", 0, 0);
    start->outcome.error =
        (int32_t)rw_raw3(SYS_execve, (long)start->program, (long)start->arguments, (long)start->environment);
    return 127;
}

static int stand_between(void *argument)
{
    struct start *start = argument;
    long pid =
        rw_raw_clone(CLONE_VM | CLONE_VFORK | SIGCHLD, start->monitor_stack, STACK, become_monitor, start);
    start->outcome.pid = (int32_t)pid;
    if (pid < 0)
        start->outcome.error = (int32_t)pid;
    if (start->report < 0)
        return 0;
    rw_raw3(SYS_write, start->report, (long)&start->outcome, sizeof start->outcome);
    rw_raw0(SYS_setsid);
    rw_raw6(SYS_prctl, PR_SET_NAME, (long)"racewatch-stub", 0, 0, 0, 0);
    leave_descriptors();
    while (pid > 0 && rw_raw4(SYS_wait4, pid, 0, __WALL, 0) == -EINTR)
        ;
    return 0;
}

static bool would_get_orphans(void)
{
    int is_subreaper = 0;
    rw_raw6(SYS_prctl, PR_GET_CHILD_SUBREAPER, (long)&is_subreaper, 0, 0, 0, 0);
    return is_subreaper || rw_raw0(SYS_getpid) == 1;
}

static int run(struct start *start)
{
    char stacks[2][STACK] __attribute__((aligned(16)));
    int ends[2] = {-1, -1};
    bool stays = would_get_orphans();
    if (stays) {
        int result = (int)rw_raw3(SYS_pipe2, (long)ends, O_CLOEXEC, 0);
        if (result != 0)
            return result;
    }
    start->report = ends[1];
    start->monitor_stack = stacks[1];
    /* No signal may find the program's handlers in a child that shares its memory. */
    const uint64_t all = ~UINT64_C(0);
    uint64_t before = 0;
    rw_raw4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, sizeof before);
    long child = rw_raw_clone(stays ? 0 : CLONE_VM | CLONE_VFORK, stacks[0], STACK, stand_between, start);
    if (stays) {
        rw_raw3(SYS_close, ends[1], 0, 0);
        if (child > 0 && rw_raw3(SYS_read, ends[0], (long)&start->outcome, sizeof start->outcome) !=
                             (long)sizeof start->outcome)
            start->outcome.error = -EIO;
        rw_raw3(SYS_close, ends[0], 0, 0);
    } else {
        while (child > 0 && rw_raw4(SYS_wait4, child, 0, __WALL, 0) == -EINTR)
            ;
    }
    rw_raw4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, sizeof before);
    return child < 0 ? (int)child : start->outcome.error;
}

static bool is_program(const char *path)
{
    struct stat status;
    return rw_raw3(SYS_stat, (long)path, (long)&status, 0) == 0 && S_ISREG(status.st_mode) &&
           rw_raw3(SYS_access, (long)path, X_OK, 0) == 0;
}

static bool find_beside(char *program, const char *folder, size_t folder_length, const char *place)
{
    struct rw_text text;
    rw_text_begin(&text, program, PATH_MAX);
    if (folder[0] != '/') {
        if (rw_raw3(SYS_getcwd, (long)program, PATH_MAX - 1, 0) < 0)
            return false;
        text.length = rw_text_length(program);
        rw_text_add(&text, "/");
    }
    rw_text_add_bytes(&text, folder, folder_length);
    rw_text_add(&text, place);
    return !text.is_cut && is_program(program);
}

/* With the option only what it names; else beside this library, in the folder where the build puts it, and in
 * that of an installation. */
static bool find_program(const struct rw_shim_options *options, char *program)
{
    static const char *const places[] = {"racewatch", "../tools/racewatch", "../bin/racewatch"};
    Dl_info library;
    if (options->monitor[0] != '\0')
        return find_beside(program, options->monitor, rw_text_length(options->monitor), "");
    if (!dladdr(&rw_session, &library) || !library.dli_fname)
        return false;
    size_t length = rw_text_length(library.dli_fname);
    while (length > 0 && library.dli_fname[length - 1] != '/')
        length--;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (find_beside(program, library.dli_fname, length, places[i]))
            return true;
    }
    return false;
}

/* What the monitor reads, and where its own libraries are looked for: anything else that is there is the
 * program's, secrets among it, and none of its business. */
static bool is_for_monitor(const char *entry)
{
    static const char *const names[] = {
        "RACEWATCH_OPTIONS=", "RACEWATCH_DIR=",       "TEST_UNDECLARED_OUTPUTS_DIR=",
        "TEST_TIMEOUT=",      "GITHUB_STEP_SUMMARY=", "LD_LIBRARY_PATH=",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (rw_text_after(entry, names[i]))
            return true;
    return false;
}

/* The monitor itself is not to be watched. The array is unmapped by the caller. */
static char **make_environment(size_t *size)
{
    size_t count = 0, kept = 0;
    while (environ && environ[count])
        count++;
    *size = (count + 2) * sizeof(char *);
    long array =
        rw_raw6(SYS_mmap, 0, (long)*size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (rw_raw_is_error(array))
        return NULL;
    char **environment = (char **)array;
    static char off[] = "RACEWATCH=0";
    environment[kept++] = off;
    for (size_t i = 0; i < count; i++)
        if (is_for_monitor(environ[i]))
            environment[kept++] = environ[i];
    return environment;
}

/* After unshare(CLONE_NEWPID) the next child is the new namespace's first process, and when that ends nobody
 * can be made in it any more: this is the program's to give away. */
static bool is_next_child_special(void)
{
    struct stat own, childs;
    return rw_raw3(SYS_stat, (long)"/proc/self/ns/pid", (long)&own, 0) == 0 &&
           rw_raw3(SYS_stat, (long)"/proc/self/ns/pid_for_children", (long)&childs, 0) == 0 &&
           own.st_ino != childs.st_ino;
}

int rw_monitor_start(const struct rw_shim_options *options, bool is_made)
{
    struct start start;
    char pid[16];
    size_t size;
    struct rw_text text;
    rw_zero(&start, sizeof start);
    if (!find_program(options, start.program))
        return -ENOENT;
    if (is_next_child_special())
        return -EXDEV;
    rw_text_begin(&text, pid, sizeof pid);
    rw_text_add_decimal(&text, (uint64_t)rw_raw0(SYS_getpid));
    char *arguments[] = {
        "racewatch", "monitor", "--session", rw_session.folder, "--first", pid, is_made ? "--made-out" : NULL,
        NULL};
    start.arguments = arguments;
    start.environment = make_environment(&size);
    if (!start.environment)
        return -ENOMEM;
    int result = run(&start);
    rw_raw3(SYS_munmap, (long)start.environment, (long)size, 0);
    if (result == 0)
        rw_session.monitor_pid = start.outcome.pid;
    return result;
}
