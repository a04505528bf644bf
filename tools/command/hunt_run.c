/* SPDX-License-Identifier: MIT */
/* One run of the program: a child that is `racewatch run`. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <talloc.h>

#include "tools/basics/clock.h"
#include "tools/basics/folders.h"
#include "tools/command/hunt.h"

/* How long a run may take, by what an undisturbed one takes, or any good one where none is to be undisturbed:
 * then it hangs. Short at least, for a hang of a short program costs that much; a perturbed run may take some
 * times longer than a plain one. */
#define HANG_LEAST_S 2.0
#define HANG_FACTOR 10.0

static double hang_s(const struct hunt *hunt)
{
    double limit = hunt->longest_s * HANG_FACTOR;
    return limit > HANG_LEAST_S ? limit : HANG_LEAST_S;
}

/* The first run of all has nothing to go by: the user's limits hold there. */
static bool has_limits(const struct hunt *hunt)
{
    return hunt->plain_runs > 0 || hunt->longest_s > 0;
}

static char **arguments(const struct hunt *hunt, void *scratch, enum hunt_how how, uint64_t seed,
                        const char *steer, const char *replay)
{
    static const char *const words[] = {"off", "delay", "serial"};
    char **list = NULL;
    rw_argv_add(scratch, &list, "racewatch");
    rw_argv_add(scratch, &list, "run");
    rw_argv_add(scratch, &list, talloc_asprintf(scratch, "--dir=%s", hunt->scratch));
    rw_argv_add(scratch, &list, "--on-hang=kill");
    rw_argv_add(scratch, &list, "--error-exitcode=0");
    rw_argv_add(scratch, &list, talloc_asprintf(scratch, "--perturb=%s", words[how]));
    if (how != HUNT_PLAIN)
        rw_argv_add(scratch, &list, talloc_asprintf(scratch, "--seed=%llu", (unsigned long long)seed));
    if (how == HUNT_SERIAL)
        rw_argv_add(scratch, &list, "--keep=always"); /* the choices, also where there is no incident */
    if (replay != NULL)
        rw_argv_add(scratch, &list, talloc_asprintf(scratch, "--replay=%s", replay));
    if (steer != NULL)
        rw_argv_add(scratch, &list, talloc_asprintf(scratch, "--steer=%s", steer));
    if (has_limits(hunt)) {
        const struct {
            const char *name;
            bool is_set;
        } limits[] = {{"timeout", hunt->options->is_set.timeout},
                      {"test-timeout", hunt->options->is_set.test_timeout},
                      {"exit-grace", hunt->options->is_set.exit_grace}};
        for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
            if (!limits[i].is_set)
                rw_argv_add(scratch, &list,
                            talloc_asprintf(scratch, "--%s=%.1f", limits[i].name, hang_s(hunt)));
    }
    rw_argv_add(scratch, &list, "--");
    for (char *const *word = hunt->command; *word != NULL; word++)
        rw_argv_add(scratch, &list, *word);
    return list;
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

/* What is left of the run is in hunt->scratch. *code: as a shell has it. 0 or a negative errno. */
static int run(struct hunt *hunt, enum hunt_how how, uint64_t seed, const char *steer, const char *replay,
               int *code, bool *is_endless, char **why)
{
    set_environment();
    rw_remove_tree(hunt->scratch);
    if (mkdir(hunt->scratch, 0700) != 0) {
        *why = talloc_asprintf(hunt, "cannot make %s: %s", hunt->scratch, strerror(errno));
        return -errno;
    }
    void *scratch = talloc_new(hunt);
    int status = 0;
    const struct rw_child_run child = {
        .signals = &hunt->signals,
        .argv = arguments(hunt, scratch, how, seed, steer, replay),
        .is_own = true,
        .output = hunt->scratch,
        .end_s = rw_now_s() + (has_limits(hunt) ? 4 * hang_s(hunt) + 30 : 1e9),
        .is_enough = rw_hunt_is_unexplained,
        .context = hunt,
    };
    int error = rw_child_run(&child, &status);
    *is_endless = error == -ETIMEDOUT || error == -ECANCELED;
    *code = rw_child_code(status);
    hunt->is_interrupted |= error == -EINTR;
    if (error != 0 && !*is_endless && error != -EINTR)
        *why = talloc_asprintf(hunt, "cannot run racewatch itself: %s", strerror(-error));
    talloc_free(scratch);
    return *is_endless ? 0 : error;
}

int rw_hunt_run(struct hunt *hunt, enum hunt_how how, uint64_t seed, char **why)
{
    int code;
    bool is_endless;
    double begin = rw_now_s();
    hunt->aim = how == HUNT_DELAY ? rw_hunt_aim(hunt) : NULL;
    int error =
        run(hunt, how, seed, hunt->aim != NULL ? hunt->aim->steer : NULL, NULL, &code, &is_endless, why);
    if (error == 0) {
        double took = rw_now_s() - begin;
        *(how == HUNT_PLAIN ? &hunt->plain_runs : &hunt->runs) += 1;
        if (hunt->aim != NULL)
            hunt->aim->runs++;
        bool has_failed = rw_hunt_judge(hunt, how, seed, code, is_endless);
        if ((how == HUNT_PLAIN || hunt->plain_runs == 0) && !has_failed && took > hunt->longest_s)
            hunt->longest_s = took;
        error = code == 126 || code == 127 ? -ENOEXEC : 0;
        if (error != 0)
            *why = talloc_asprintf(hunt, "%s cannot be run", hunt->command[0]);
    }
    rw_remove_tree(hunt->scratch);
    return error;
}

int rw_hunt_rerun(struct hunt *hunt, const struct hunt_failure *failure, const char *replay, char **why)
{
    int code;
    bool is_endless;
    int error = run(hunt, failure->how, failure->seed, failure->steer, replay, &code, &is_endless, why);
    return error != 0 ? error : rw_hunt_failed_alike(hunt, failure->key, code, is_endless);
}
