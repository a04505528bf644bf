/* SPDX-License-Identifier: MIT */
/* One run of the program: a child that is `racewatch run`, in a process group of its own, so that ^C on the
 * terminal is ours to deal with. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ftw.h>
#include <talloc.h>

#include "tools/command/hunt.h"

extern char **environ;

/* How long a run may take, by what an undisturbed one takes: then it hangs. Short at least, for a hang of a
 * short program costs that much; a perturbed run may take some times longer than a plain one. */
#define HANG_LEAST_S 2.0
#define HANG_FACTOR 10.0

static double hang_s(const struct hunt *hunt)
{
    double limit = hunt->longest_plain_s * HANG_FACTOR;
    return limit > HANG_LEAST_S ? limit : HANG_LEAST_S;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *ftw)
{
    (void)status, (void)kind, (void)ftw;
    remove(path);
    return 0;
}

static void remove_scratch(const struct hunt *hunt)
{
    nftw(hunt->scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void add(char ***list, size_t *count, char *item)
{
    *list = talloc_realloc(NULL, *list, char *, (unsigned)*count + 2);
    (*list)[(*count)++] = item;
    (*list)[*count] = NULL;
}

/* The first run of all has nothing to go by: the user's limits hold there. */
static char **arguments(const struct hunt *hunt, void *scratch, enum hunt_how how, uint64_t seed)
{
    static const char *const words[] = {"off", "delay", "serial"};
    char **list = NULL;
    size_t count = 0;
    add(&list, &count, "racewatch");
    add(&list, &count, "run");
    add(&list, &count, talloc_asprintf(scratch, "--dir=%s", hunt->scratch));
    add(&list, &count, "--on-hang=kill");
    add(&list, &count, "--error-exitcode=0");
    add(&list, &count, talloc_asprintf(scratch, "--perturb=%s", words[how]));
    if (how != HUNT_PLAIN)
        add(&list, &count, talloc_asprintf(scratch, "--seed=%llu", (unsigned long long)seed));
    if (hunt->plain_runs > 0) {
        const struct {
            const char *name;
            bool is_set;
        } limits[] = {{"timeout", hunt->options->is_set.timeout},
                      {"test-timeout", hunt->options->is_set.test_timeout},
                      {"exit-grace", hunt->options->is_set.exit_grace}};
        for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
            if (!limits[i].is_set)
                add(&list, &count, talloc_asprintf(scratch, "--%s=%.1f", limits[i].name, hang_s(hunt)));
    }
    add(&list, &count, "--");
    for (char *const *word = hunt->command; *word != NULL; word++)
        add(&list, &count, *word);
    return talloc_steal(scratch, list);
}

static int open_output(const struct hunt *hunt, posix_spawn_file_actions_t *actions)
{
    static const char *const names[] = {"/dev/null", "stdout", "stderr"};
    int error = 0;
    for (int fd = 0; fd < 3 && error == 0; fd++) {
        char *path = fd == 0 ? talloc_strdup(NULL, names[0])
                             : talloc_asprintf(NULL, "%s/%s", hunt->scratch, names[fd]);
        error = posix_spawn_file_actions_addopen(actions, fd, path,
                                                 fd == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC, 0600);
        talloc_free(path);
    }
    return -error;
}

static int start(const struct hunt *hunt, char **argv, pid_t *child)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &hunt->mask_before);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    int error = open_output(hunt, &actions);
    if (error == 0)
        error = -posix_spawn(child, "/proc/self/exe", &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* A second SIGTERM tells `racewatch run` not to look first. */
static void end_run(pid_t child, int *status)
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

/* 0; -ETIMEDOUT: it did not end, and was ended; -EINTR. */
static int await(struct hunt *hunt, pid_t child, int *status)
{
    double limit_s = rw_hunt_now_s() + (hunt->plain_runs > 0 ? 4 * hang_s(hunt) + 30 : 1e9);
    for (;;) {
        const struct timespec step = {1, 0};
        if (waitpid(child, status, WNOHANG) == child)
            return 0;
        int signal = sigtimedwait(&hunt->taken, NULL, &step);
        if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP) {
            hunt->is_interrupted = true;
            end_run(child, status);
            return -EINTR;
        }
        if (rw_hunt_now_s() > limit_s) {
            end_run(child, status);
            return -ETIMEDOUT;
        }
    }
}

/* The same for all runs: a set's order may decide which race is lost, and the summary of a run is ours to
 * write. */
static void set_environment(void)
{
    setenv("PYTHONHASHSEED", "0", 0);
    unsetenv("GITHUB_STEP_SUMMARY");
    unsetenv("RACEWATCH_DIR");
    unsetenv("RACEWATCH_SESSION");
}

void rw_hunt_take_signals(struct hunt *hunt)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
    sigemptyset(&hunt->taken);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaddset(&hunt->taken, numbers[i]);
    sigprocmask(SIG_BLOCK, &hunt->taken, &hunt->mask_before);
}

int rw_hunt_run(struct hunt *hunt, enum hunt_how how, uint64_t seed, char **why)
{
    set_environment();
    remove_scratch(hunt);
    if (mkdir(hunt->scratch, 0700) != 0) {
        *why = talloc_asprintf(hunt, "cannot make %s: %s", hunt->scratch, strerror(errno));
        return -errno;
    }
    void *scratch = talloc_new(hunt);
    pid_t child;
    int status = 0;
    double begin = rw_hunt_now_s();
    int error = start(hunt, arguments(hunt, scratch, how, seed), &child);
    if (error != 0)
        *why = talloc_asprintf(hunt, "cannot run racewatch itself: %s", strerror(-error));
    else
        error = await(hunt, child, &status);
    if (error == 0 || error == -ETIMEDOUT) {
        double took = rw_hunt_now_s() - begin;
        *(how == HUNT_PLAIN ? &hunt->plain_runs : &hunt->runs) += 1;
        int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        bool has_failed = rw_hunt_judge(hunt, how, seed, code, error == -ETIMEDOUT);
        if (how == HUNT_PLAIN && !has_failed && took > hunt->longest_plain_s)
            hunt->longest_plain_s = took;
        error = code == 126 || code == 127 ? -ENOEXEC : 0;
        if (error != 0)
            *why = talloc_asprintf(hunt, "%s cannot be run", hunt->command[0]);
    }
    remove_scratch(hunt);
    talloc_free(scratch);
    return error;
}
