/* SPDX-License-Identifier: MIT */
#include "tools/command/child_run.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <talloc.h>

#include "tools/basics/clock.h"

extern char **environ;

int rw_child_code(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void rw_argv_add(void *parent, char ***list, const char *item)
{
    size_t count = *list != NULL ? talloc_array_length(*list) - 1 : 0;
    *list = talloc_realloc(parent, *list, char *, (unsigned)count + 2);
    (*list)[count] = talloc_strdup(*list, item);
    (*list)[count + 1] = NULL;
}

void rw_child_signals_take(struct rw_child_signals *signals)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
    sigemptyset(&signals->taken);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaddset(&signals->taken, numbers[i]);
    sigprocmask(SIG_BLOCK, &signals->taken, &signals->mask_before);
}

static int open_output(const struct rw_child_run *run, posix_spawn_file_actions_t *actions)
{
    static const char *const names[] = {"/dev/null", "stdout", "stderr"};
    int error = 0;
    for (int fd = 0; fd < 3 && error == 0; fd++) {
        char *path =
            fd == 0 ? talloc_strdup(NULL, names[0]) : talloc_asprintf(NULL, "%s/%s", run->output, names[fd]);
        if (fd > 0)
            unlink(path); /* of a run before this one */
        error = posix_spawn_file_actions_addopen(
            actions, fd, path, fd == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
        talloc_free(path);
    }
    return -error;
}

static int start(const struct rw_child_run *run, pid_t *child)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &run->signals->mask_before);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    int error = open_output(run, &actions);
    const char *program = run->is_own ? "/proc/self/exe" : run->argv[0];
    if (error == 0)
        error = -posix_spawnp(child, program, &actions, &attributes, run->argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* A second SIGTERM tells `racewatch run` not to look first. */
static void end(pid_t child, int *status)
{
    static const int signals[] = {SIGTERM, SIGTERM, SIGKILL};
    for (size_t i = 0; i < 3; i++) {
        kill(-child, signals[i]);
        kill(child, signals[i]);
        for (int patience = 0; patience < 30; patience++) {
            if (waitpid(child, status, i == 2 ? 0 : WNOHANG) != 0)
                return;
            usleep(100000);
        }
    }
}

int rw_child_run(const struct rw_child_run *run, int *status)
{
    pid_t child;
    int error = start(run, &child);
    while (error == 0) {
        const struct timespec step = {1, 0};
        if (waitpid(child, status, WNOHANG) == child)
            return 0;
        int signal = sigtimedwait(&run->signals->taken, NULL, &step);
        if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP)
            error = -EINTR;
        else if (rw_now_s() > run->end_s)
            error = -ETIMEDOUT;
        else if (run->is_enough != NULL && run->is_enough(run->context))
            error = -ECANCELED;
        if (error != 0)
            end(child, status);
    }
    return error;
}
