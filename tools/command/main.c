/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shim/recording.h"
#include "tools/command/commands.h"

const char *argp_program_version = "racewatch " RW_VERSION;

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage;
    const char *help; /* NULL: not for people */
} commands[] = {
    {"run", rw_command_run, "run [OPTION...] [--] COMMAND...",
     "run a program and watch it; what hangs is reported"},
    {"hunt", rw_command_hunt,
     "hunt [--runs=N | --for=10m] [--seed=S] [--perturb=delay|serial|mix] [--] COMMAND...",
     "run a program again and again with its schedule bent, until it fails"},
    {"isolate", rw_command_isolate, "isolate [--for=10m] [--tries=N] [--from=DIR] [--] pytest...",
     "find out whether a test hangs by itself, or after which others"},
    {"report", rw_command_report, "report [--format=text|json|markdown] PATH",
     "print what was found, also post mortem"},
    {"dump", rw_command_dump, "dump [-o DIR] PID", "look at a living process now"},
    {"collect", rw_command_collect, "collect [-o FILE] DIR", "pack a folder of reports into one archive"},
    {"recording", rw_command_recording, "recording FILE", "print a recording as it is"},
    {"options", rw_command_options, "options", "print all options and their defaults"},
    {"monitor", rw_command_monitor, "monitor --session PATH --first PID", NULL},
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static const char *name_for_usage = "racewatch";
static int status_for_usage = RW_EXIT_USAGE;

void rw_usage_error(const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "%s: ", name_for_usage);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    exit(status_for_usage);
}

struct quiet {
    const struct argp *argp;
    void *input;
};

/* getopt says what is wrong, in one line; argp's "Try ..." after it goes nowhere. */
static error_t parse_quiet(int key, char *argument, struct argp_state *state)
{
    (void)argument;
    const struct quiet *quiet = state->input;
    if (key != ARGP_KEY_INIT)
        return ARGP_ERR_UNKNOWN;
    state->child_inputs[0] = quiet->input;
    FILE *nowhere = fopen("/dev/null", "we");
    if (nowhere != NULL)
        state->err_stream = nowhere;
    return 0;
}

void rw_parse(const struct argp *argp, int argc, char **argv, int usage_status, void *input)
{
    struct argp_child children[] = {{argp, 0, NULL, 0}, {0}};
    struct argp outer = {
        .parser = parse_quiet, .children = children, .args_doc = argp->args_doc, .doc = argp->doc};
    struct argp inner = *argp;
    inner.doc = NULL;
    inner.args_doc = NULL;
    children[0].argp = &inner;
    struct quiet quiet = {argp, input};
    name_for_usage = argv[0];
    status_for_usage = usage_status;
    argp_err_exit_status = usage_status;
    error_t error = argp_parse(&outer, argc, argv, ARGP_IN_ORDER, NULL, &quiet);
    if (error == ENOMEM)
        abort(); /* as all of tools/ does without memory; `racewatch run` has a last resort */
    if (error != 0)
        exit(usage_status);
}

static void print_help(FILE *out)
{
    fprintf(out, "racewatch tells why a program hangs or races.\n\nUsage:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (commands[i].help != NULL)
            fprintf(out, "  racewatch %s\n      %s\n", commands[i].usage, commands[i].help);
    fprintf(
        out,
        "  racewatch --version | --help\n\nEach command has a --help of its own. Manual: racewatch(1).\n");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return RW_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("%s\n", argp_program_version);
        return 0;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            char name[64];
            snprintf(name, sizeof(name), "racewatch %s", commands[i].name);
            argv[1] = name;
            return commands[i].run(argc - 1, argv + 1);
        }
    rw_usage_error("unknown %s '%s' (`racewatch --help` names all)", *argv[1] == '-' ? "option" : "command",
                   argv[1]);
}
