/* SPDX-License-Identifier: MIT */
/* More ways to make processes, and children that the shim cannot be in. */
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/behaviour.h"

extern char **environ;

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t is_held;

static void *nothing(void *unused)
{
    return unused;
}

static void *hold(void *unused)
{
    pthread_mutex_lock(&held);
    pthread_barrier_wait(&is_held);
    pthread_barrier_wait(&is_held);
    pthread_mutex_unlock(&held);
    return unused;
}

/* The child has the lock as it was, and not its owner. */
static void tell_fork_under_a_lock(void)
{
    pthread_t thread;
    pthread_barrier_init(&is_held, NULL, 2);
    pthread_create(&thread, NULL, hold, NULL);
    pthread_barrier_wait(&is_held);
    pid_t pid = fork();
    if (pid == 0) {
        struct timespec soon = in_ms(CLOCK_REALTIME, 2);
        _exit(pthread_mutex_trylock(&held) == EBUSY && pthread_mutex_timedlock(&held, &soon) == ETIMEDOUT);
    }
    tell("a lock that another thread held at fork", status_of(pid));
    pthread_barrier_wait(&is_held);
    pthread_join(thread, NULL);
}

static void tell_double_fork(void)
{
    int ends[2];
    char said = 0;
    if (pipe(ends))
        return;
    pid_t pid = fork();
    if (pid == 0) {
        pid = fork();
        if (pid > 0)
            _exit(2);
        close(ends[0]);
        said = in_thread(nothing, &held) == &held ? 'y' : 'n';
        _exit(write(ends[1], &said, 1) != 1);
    }
    close(ends[1]);
    tell("double fork: the child", status_of(pid));
    tell(" the grandchild is heard", read(ends[0], &said, 1));
    tell(" and has threads", said == 'y');
    close(ends[0]);
}

static volatile sig_atomic_t forked_status = -1;

static void fork_in_handler(int signal)
{
    (void)signal;
    pid_t pid = fork();
    if (pid == 0)
        _exit(6);
    forked_status = (int)status_of(pid);
}

static void *exec_in_thread(void *self)
{
    char *arguments[] = {self, (char *)"status", NULL};
    execv(self, arguments);
    return NULL;
}

static void tell_clone3(void)
{
    struct clone_args arguments = {.exit_signal = SIGCHLD};
    long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0)
        _exit(8);
    tell("clone3", pid < 0 ? -errno : status_of((pid_t)pid));
}

static void tell_wait_functions(void)
{
    siginfo_t info = {0};
    struct rusage usage;
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(9);
    tell("waitid", waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
    tell(" status", info.si_status);
    tell(" wait4 of the same", wait4(pid, &status, 0, &usage) == pid);
    tell(" status", WEXITSTATUS(status));
    signal(SIGCHLD, SIG_IGN);
    pid = fork();
    if (pid == 0)
        _exit(1);
    tell("wait with SIGCHLD ignored", status_of(pid));
    signal(SIGCHLD, SIG_DFL);
}

static void tell_spawn_with_all(const char *self)
{
    char *arguments[] = {(char *)(uintptr_t)self, (char *)"status", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t mask;
    pid_t pid = -1;
    sigfillset(&mask);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 7, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, 7, 8);
    posix_spawn_file_actions_addclose(&actions, 7);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &mask);
    posix_spawnattr_setsigdefault(&attributes, &mask);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    tell("posix_spawn with actions and attributes",
         posix_spawn(&pid, self, &actions, &attributes, arguments, environ));
    tell(" status", status_of(pid));
    posix_spawn_file_actions_addopen(&actions, 9, "/nonexistent/file", O_RDONLY, 0);
    tell("posix_spawn with an action that fails",
         posix_spawn(&pid, self, &actions, NULL, arguments, environ));
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
}

void tell_forks(const char *self)
{
    tell_fork_under_a_lock();
    tell_double_fork();
    signal(SIGUSR1, fork_in_handler);
    raise(SIGUSR1);
    signal(SIGUSR1, SIG_DFL);
    tell("fork in a handler", forked_status);
    pid_t pid = fork();
    if (pid == 0) {
        in_thread(exec_in_thread, (void *)(uintptr_t)self);
        _exit(1);
    }
    tell("exec in a thread", status_of(pid));
    pid = vfork();
    if (pid == 0)
        _exit(4);
    tell("vfork and _exit", status_of(pid));
    tell_clone3();
    tell_wait_functions();
    tell_spawn_with_all(self);
}

static void run(const char *name, const char *program, const char *what)
{
    char *arguments[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)what, NULL};
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        /* What the loader says of a library that it cannot preload is the loader's, see docs/reliability.md.
         */
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 2);
        execv(program, arguments);
        _exit(127);
    }
    tell(name, status_of(pid));
}

/* CONFORMANCE_CHILDREN: paths, with ":" between them: other kinds of programs. */
void tell_children(const char *self)
{
    const char *children = getenv("CONFORMANCE_CHILDREN"), *preload = getenv("LD_PRELOAD");
    char *list = strdup(children ? children : ""), *kept = preload ? strdup(preload) : NULL, *rest,
         longer[4096];
    for (char *child = strtok_r(list, ":", &rest); child; child = strtok_r(NULL, ":", &rest)) {
        const char *slash = strrchr(child, '/');
        run(slash ? slash + 1 : child, child, "status");
    }
    unsetenv("LD_PRELOAD");
    run("child without LD_PRELOAD", self, "status");
    snprintf(longer, sizeof longer, "libm.so.6%s%s", kept ? ":" : "", kept ? kept : "");
    setenv("LD_PRELOAD", longer, 1);
    run("child with one more before", self, "status");
    snprintf(longer, sizeof longer, "%s%slibm.so.6", kept ? kept : "", kept ? " " : "");
    setenv("LD_PRELOAD", longer, 1);
    run("child with one more behind", self, "status");
    setenv("LD_PRELOAD", "/nonexistent/library.so", 1);
    run("child with another that is not there", self, "status");
    if (kept)
        setenv("LD_PRELOAD", kept, 1);
    else
        unsetenv("LD_PRELOAD");
    clearenv();
    run("child of an empty environment", self, "status");
    free(list);
    free(kept);
}
