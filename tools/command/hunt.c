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
#include "tools/command/command_name.h"
#include "tools/command/commands.h"
#include "tools/command/duration.h"
#include "tools/command/hunt.h"

#define RUNS_BY_DEFAULT 200
#define RERUNS_BY_DEFAULT 10
#define MINIMISE_BY_DEFAULT 200

enum {
    KEY_RUNS = 0x100,
    KEY_FOR,
    KEY_PLAIN,
    KEY_SEED,
    KEY_PERTURB,
    KEY_OUT,
    KEY_FIRST,
    KEY_AGAIN,
    KEY_MINIMISE
};

static const struct argp_option flags[] = {
    {"runs", KEY_RUNS, "N", 0, "perturbed runs (default: 200, or as many as --for allows)", 0},
    {"for", KEY_FOR, "TIME", 0, "go on for so long: 90, 90s, 10m, 2h", 0},
    {"plain", KEY_PLAIN, "N", 0, "undisturbed runs to compare with (default: as many as perturbed ones)", 0},
    {"seed", KEY_SEED, "N", 0, "the first seed; each run has the next one (default: 1)", 0},
    {"perturb", KEY_PERTURB, "WORD", 0,
     "how to bend the schedule: delay, serial, or mix, which alternates (default: delay)", 0},
    {"out", KEY_OUT, "DIR", 0, "the folder for what is found (default: the option `dir`)", 0},
    {"first", KEY_FIRST, NULL, 0, "stop at the first failure that is more than an order of locks", 0},
    {"again", KEY_AGAIN, "N", 0,
     "in the end, reruns of each failure's seed, to see how often it fails again (default: 10)", 0},
    {"minimise", KEY_MINIMISE, "N", 0,
     "in the end, runs to find out how few switches between threads a failure of serial mode takes (default: "
     "200; at most a minute)",
     0},
    {0},
};

struct arguments {
    struct hunt *hunt;
    const char *out;
    bool has_runs, has_plain;
};

static size_t count(const char *flag, const char *text)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || number < 0)
        rw_usage_error("--%s: '%s' is not a whole number", flag, text);
    return (size_t)number;
}

static double seconds(const char *text)
{
    double seconds;
    if (!rw_parse_duration(text, &seconds))
        rw_usage_error("--for: '%s' is no time (90s, 10m, 2h)", text);
    return seconds;
}

static void set_way(struct hunt *hunt, const char *word)
{
    hunt->alternates = strcmp(word, "mix") == 0;
    if (strcmp(word, "delay") == 0 || hunt->alternates)
        hunt->how = HUNT_DELAY;
    else if (strcmp(word, "serial") == 0)
        hunt->how = HUNT_SERIAL;
    else
        rw_usage_error("--perturb: '%s' is none of delay, serial, mix", word);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct hunt *hunt = arguments->hunt;
    switch (key) {
    case KEY_RUNS:
        hunt->run_limit = count("runs", argument);
        if (hunt->run_limit == 0)
            rw_usage_error("--runs: without a run nothing can be found");
        arguments->has_runs = true;
        return 0;
    case KEY_FOR:
        hunt->time_limit = seconds(argument);
        return 0;
    case KEY_PLAIN:
        hunt->plain_limit = count("plain", argument);
        arguments->has_plain = true;
        return 0;
    case KEY_SEED:
        hunt->first_seed = count("seed", argument);
        return 0;
    case KEY_PERTURB:
        set_way(hunt, argument);
        return 0;
    case KEY_OUT:
        arguments->out = argument;
        return 0;
    case KEY_FIRST:
        hunt->stops_early = true;
        return 0;
    case KEY_AGAIN:
        hunt->rerun_limit = count("again", argument);
        return 0;
    case KEY_MINIMISE:
        hunt->minimise_limit = count("minimise", argument);
        return 0;
    case ARGP_KEY_ARG:
        hunt->command = state->argv + state->next - 1;
        state->next = state->argc;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* How the run of this seed is perturbed. */
static enum hunt_how how_of_seed(const struct hunt *hunt, uint64_t seed)
{
    return hunt->alternates && seed % 2 == 0 ? HUNT_SERIAL : hunt->how;
}

static int make_folder(struct hunt *hunt, const char *dir)
{
    char *out = rw_absolute_path(hunt, dir);
    if (out == NULL)
        return -errno;
    hunt->out = out;
    hunt->scratch = talloc_asprintf(hunt, "%s/hunt-%d", out, (int)getpid());
    return rw_make_folders(out, &hunt->made_out);
}

static bool is_time_over(const struct hunt *hunt)
{
    return hunt->time_limit > 0 && rw_now_s() - hunt->begin_s >= hunt->time_limit;
}

/* What may be a deadlock is not yet one. */
static bool has_failed_for_sure(const struct hunt *hunt)
{
    for (size_t i = 0; i < hunt->failure_count; i++)
        if (!rw_hunt_is_candidate(&hunt->failures[i]))
            return true;
    return false;
}

static bool is_over(const struct hunt *hunt)
{
    return hunt->is_interrupted || is_time_over(hunt) || hunt->runs >= hunt->run_limit ||
           (hunt->stops_early && has_failed_for_sure(hunt));
}

/* Plain runs are spread evenly, so that both kinds meet the machine in the same moods. The first run of all
 * is one: it tells how long the program takes. */
static bool is_plain_due(const struct hunt *hunt)
{
    if (hunt->plain_runs >= hunt->plain_limit)
        return false;
    if (hunt->plain_limit == SIZE_MAX || hunt->run_limit == SIZE_MAX)
        return hunt->plain_runs <= hunt->runs;
    return (double)hunt->plain_runs * (double)hunt->run_limit <=
           (double)hunt->runs * (double)hunt->plain_limit;
}

static int hunt_all(struct hunt *hunt, char **why)
{
    uint64_t seed = hunt->first_seed;
    int error = 0;
    rw_child_signals_take(&hunt->signals);
    hunt->begin_s = rw_now_s();
    while (error == 0 && !is_over(hunt)) {
        size_t known = hunt->failure_count;
        if (is_plain_due(hunt)) {
            error = rw_hunt_run(hunt, HUNT_PLAIN, 0, why);
        } else {
            error = rw_hunt_run(hunt, how_of_seed(hunt, seed), seed, why);
            seed++;
        }
        rw_hunt_show_progress(hunt, seed - 1, hunt->failure_count > known);
    }
    return error == -EINTR ? 0 : error;
}

/* What was found stays, and an empty folder goes. */
static int status_of(const struct hunt *hunt)
{
    if (hunt->failure_count > 0)
        return 1;
    return hunt->is_interrupted ? 128 + SIGINT : 0;
}

int rw_command_hunt(int argc, char **argv)
{
    struct hunt *hunt = talloc_zero(NULL, struct hunt);
    struct rw_options *options = rw_options_new(hunt);
    struct arguments arguments = {.hunt = hunt};
    struct argp argp = {
        .options = flags,
        .parser = parse,
        .args_doc = "[--] COMMAND...",
        .doc = "Run a program again and again with its schedule bent in other ways, until it "
               "hangs, crashes or fails.\vRACEWATCH_OPTIONS holds for every run. Exit status: 0 "
               "nothing was found, 1 something was, 2 usage, 125 a run could not be made, 130 SIGINT."};
    *hunt = (struct hunt){.how = HUNT_DELAY, .first_seed = 1, .options = options};
    hunt->run_limit = hunt->plain_limit = SIZE_MAX;
    hunt->rerun_limit = RERUNS_BY_DEFAULT;
    hunt->minimise_limit = MINIMISE_BY_DEFAULT;
    rw_options_from_environment(options, stderr);
    rw_parse(&argp, argc, argv, RW_EXIT_USAGE, &arguments);
    if (hunt->command == NULL)
        rw_usage_error("which command? (racewatch hunt [OPTION...] [--] COMMAND...)");
    if (!arguments.has_runs && hunt->time_limit == 0)
        hunt->run_limit = RUNS_BY_DEFAULT;
    if (!arguments.has_plain)
        hunt->plain_limit = hunt->run_limit;
    hunt->name = rw_command_name(hunt, hunt->command);
    const char *out = arguments.out != NULL ? arguments.out : options->dir;
    char *why = NULL;
    int error = make_folder(hunt, out);
    if (error != 0)
        why = talloc_asprintf(hunt, "cannot use the folder %s: %s", out, strerror(-error));
    else
        error = hunt_all(hunt, &why);
    if (error == 0 && !hunt->is_interrupted)
        error = rw_hunt_repeat(hunt, &why);
    if (error == 0 && !hunt->is_interrupted)
        error = rw_hunt_minimise(hunt, &why);
    rw_remove_tree(hunt->scratch);
    if (error != 0) {
        fprintf(stderr, "racewatch hunt: %s\n", why);
        talloc_free(hunt);
        return RW_EXIT_OWN;
    }
    rw_hunt_conclude(hunt);
    int status = status_of(hunt);
    talloc_free(hunt);
    return status;
}
