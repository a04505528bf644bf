/* SPDX-License-Identifier: MIT */
/* racewatch monitor: started by the shim in the first process of a tree, with nothing but a session to go by.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <talloc.h>

#include "tools/command/commands.h"
#include "tools/monitor/monitor.h"
#include "tools/options/options.h"

struct arguments {
    const char *session;
    pid_t first;
    bool made_out;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 's':
        arguments->session = argument;
        return 0;
    case 'f':
        arguments->first = atoi(argument);
        return 0;
    case 'm':
        arguments->made_out = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int rw_command_monitor(int argc, char **argv)
{
    static const struct argp_option flags[] = {
        {"session", 's', "PATH", 0, "the session's folder", 0},
        {"first", 'f', "PID", 0, "the first process", 0},
        {"made-out", 'm', NULL, 0, "the folder for reports was made for this session", 0},
        {0},
    };
    struct argp argp = {
        .options = flags, .parser = parse, .doc = "Watch a session. The shim starts this by itself."};
    struct arguments arguments = {0};
    rw_parse(&argp, argc, argv, RW_EXIT_USAGE, &arguments);
    if (arguments.session == NULL || arguments.first <= 0)
        rw_usage_error("--session and --first are needed");
    void *scratch = talloc_new(NULL);
    struct rw_options *options = rw_options_new(scratch);
    char *warnings = NULL;
    size_t warnings_size = 0;
    FILE *memory = open_memstream(&warnings, &warnings_size);
    rw_options_from_environment(options, memory);
    if (memory != NULL && fclose(memory) != 0)
        warnings = NULL;
    struct rw_session *session;
    char *why;
    if (rw_session_open(scratch, arguments.session, arguments.made_out, &session, &why) != 0)
        rw_usage_error("%s", why);
    umask(077);
    sigset_t taken;
    sigemptyset(&taken);
    sigaddset(&taken, SIGTERM);
    sigaddset(&taken, SIGINT);
    sigprocmask(SIG_BLOCK, &taken, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* under a limit of file sizes: a report is cut, and says so */
    struct rw_monitor_setup setup = {
        .options = options,
        .session = session,
        .first = arguments.first,
        .notes = warnings,
        .signals = &taken,
    };
    struct rw_monitor_result result;
    rw_monitor_run(scratch, &setup, &result);
    talloc_free(scratch);
    free(warnings);
    return 0;
}
