/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <talloc.h>

#include "tools/basics/clock.h"
#include "tools/basics/folders.h"
#include "tools/basics/paths.h"
#include "tools/command/commands.h"
#include "tools/command/duration.h"
#include "tools/command/isolate.h"
#include "tools/command/isolate_answer.h"
#include "tools/command/tell.h"
#include "tools/monitor/publish.h"

enum { KEY_FOR = 0x100, KEY_TRIES, KEY_FROM, KEY_OUT };

static const struct argp_option flags[] = {
    {"for", KEY_FOR, "TIME", 0, "give up after so long: 90, 90s, 10m, 2h (default: 10m)", 0},
    {"tries", KEY_TRIES, "N", 0, "runs of the test alone, and of the answer (default: 3)", 0},
    {"from", KEY_FROM, "DIR", 0,
     "begin with the hang that is reported there, and do not run the command as it is", 0},
    {"out", KEY_OUT, "DIR", 0, "the folder for reports (default: the option `dir`)", 0},
    {0},
};

struct arguments {
    struct isolate *isolate;
    const char *out;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct isolate *isolate = arguments->isolate;
    char *end;
    switch (key) {
    case KEY_FOR:
        if (!rw_parse_duration(argument, &isolate->limit_s))
            rw_usage_error("--for: '%s' is no time (90s, 10m, 2h)", argument);
        return 0;
    case KEY_TRIES:
        isolate->tries = strtoul(argument, &end, 10);
        if (*end != '\0' || isolate->tries == 0 || isolate->tries > 1000)
            rw_usage_error("--tries: '%s' is none of 1 to 1000", argument);
        return 0;
    case KEY_FROM:
        isolate->from = argument;
        if (access(argument, R_OK | X_OK) != 0)
            rw_usage_error("--from: %s: %s", argument, strerror(errno));
        return 0;
    case KEY_OUT:
        arguments->out = argument;
        return 0;
    case ARGP_KEY_ARG:
        isolate->command = state->argv + state->next - 1;
        state->next = state->argc;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* OUT/isolate-<pid>, and the folders above it. */
static int make_folder(struct isolate *isolate, const char *dir)
{
    char *out = rw_absolute_path(isolate, dir);
    if (out == NULL)
        return -errno;
    int error = rw_make_folders(out, &isolate->made_dir);
    isolate->out = talloc_asprintf(isolate, "%s/isolate-%d", out, (int)getpid());
    return error != 0 ? error : rw_make_own_folder(isolate->out);
}

static int find_target(struct isolate *isolate, char **why)
{
    const struct rw_pytest *pytest = isolate->pytest;
    size_t matches = 0;
    for (size_t i = 0; i < pytest->count; i++)
        if (rw_isolate_is_test(isolate->test, pytest->ids[i])) {
            isolate->target = i;
            matches++;
        }
    if (matches == 1) {
        isolate->test = pytest->ids[isolate->target];
        return 0;
    }
    *why = talloc_asprintf(isolate, "%s, which hung, is %s the %zu tests that `pytest --collect-only` names",
                           isolate->test, matches == 0 ? "none of" : "more than one of", pytest->count);
    return -ENOENT;
}

/* The hang to look into. 1, 0, or a negative errno. */
static int begin(struct isolate *isolate, char **why)
{
    int hung = 1;
    if (isolate->from != NULL) {
        isolate->incident = rw_isolate_find(isolate, isolate->from, NULL, NULL, &isolate->report);
        if (isolate->incident == NULL) {
            *why = talloc_asprintf(isolate, "no hang of a test is reported in %s", isolate->from);
            return -ENOENT;
        }
    } else {
        hung = rw_isolate_first(isolate, why);
    }
    if (hung != 1)
        return hung;
    isolate->test = rw_isolate_test_of(isolate->incident);
    isolate->class_name = isolate->incident->verdict.class_name;
    isolate->is_strong = rw_class_is_hang(isolate->class_name);
    char *folder = talloc_asprintf(isolate, "%s/collect", isolate->out);
    int error = rw_make_own_folder(folder);
    if (error != 0) {
        *why = talloc_asprintf(isolate, "cannot make %s: %s", folder, strerror(-error));
        return error;
    }
    error = rw_pytest_collect(isolate->pytest, &isolate->signals, folder, isolate->end_s, why);
    if (error == -ETIMEDOUT)
        return -ETIME;
    if (error == 0) {
        rw_remove_tree(folder);
        error = find_target(isolate, why);
    }
    if (error != 0)
        return error;
    rw_tell(stderr, "racewatch isolate: %s hangs (%s); %zu tests come before it%s", isolate->test,
            isolate->class_name, isolate->target,
            isolate->pytest->was_parallel ? "; all run in one process from now on, without xdist" : "");
    return 1;
}

/* The same for every run, and the summary of a run is ours to write. */
static void set_environment(void)
{
    unsetenv("GITHUB_STEP_SUMMARY");
    unsetenv("RACEWATCH_DIR");
    unsetenv("RACEWATCH_SESSION");
}

static int isolate_all(struct isolate *isolate, const char *dir)
{
    char *why = NULL;
    int error = make_folder(isolate, dir);
    if (error != 0) {
        fprintf(stderr, "racewatch isolate: cannot use the folder %s: %s\n", dir, strerror(-error));
        return RW_EXIT_OWN;
    }
    set_environment();
    rw_child_signals_take(&isolate->signals);
    isolate->end_s = rw_now_s() + isolate->limit_s;
    int hung = begin(isolate, &why), status = 1;
    if (hung == 1)
        hung = rw_isolate_answer(isolate, &status, &why);
    else if (hung == 0)
        printf("nothing hung; the command ended with status %d\n", isolate->first_code);
    else if (hung == -ETIME)
        printf("the time is over before the test could be tried alone (--for)\n");
    if (hung < 0 && hung != -ETIME && hung != -EINTR) {
        rw_tell(stderr, "racewatch isolate: %s", why != NULL ? why : strerror(-hung));
        status = RW_EXIT_OWN;
    }
    rmdir(isolate->out); /* where no try was kept */
    if (isolate->made_dir)
        rmdir(dir);
    return hung == -EINTR ? 128 + SIGINT : status;
}

int rw_command_isolate(int argc, char **argv)
{
    struct isolate *isolate = talloc_zero(NULL, struct isolate);
    struct rw_options *options = rw_options_new(isolate);
    struct arguments arguments = {.isolate = isolate};
    struct argp argp = {.options = flags,
                        .parser = parse,
                        .args_doc = "[--] PYTEST-COMMAND...",
                        .doc = "Is it the test, or the company it keeps? Runs a pytest command until a test "
                               "hangs, then that test "
                               "alone, then after ever fewer of the tests before it.\vRACEWATCH_OPTIONS "
                               "holds for every run. Exit "
                               "status: 0 there is an answer, 1 nothing hung, it did not hang again, or the "
                               "time was over, 2 usage, "
                               "125 a run could not be made, 130 SIGINT."};
    isolate->options = options;
    isolate->limit_s = 600;
    isolate->tries = 3;
    rw_options_from_environment(options, stderr);
    rw_parse(&argp, argc, argv, RW_EXIT_USAGE, &arguments);
    if (isolate->command == NULL)
        rw_usage_error("which command? (racewatch isolate [OPTION...] [--] pytest...)");
    char *why = NULL;
    isolate->pytest = rw_pytest_parse(isolate, isolate->command, &why);
    if (isolate->pytest == NULL)
        rw_usage_error("%s", why);
    int status = isolate_all(isolate, arguments.out != NULL ? arguments.out : options->dir);
    talloc_free(isolate);
    return status;
}
