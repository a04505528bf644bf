/* SPDX-License-Identifier: MIT */
/*
 * racewatch run: starts the program with the shim and is its monitor. To the program it is as good as not
 * there: the same descriptors, process group, signal mask and dispositions; its exit status is the program's.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <talloc.h>

#include "tools/command/command_name.h"
#include "tools/command/commands.h"
#include "tools/command/last_resort.h"
#include "tools/command/library.h"
#include "tools/command/tell.h"
#include "tools/monitor/monitor.h"
#include "tools/options/options.h"

extern char **environ;

struct arguments {
    struct rw_options *options;
    char **command;
};

#define FIRST_KEY 0x100 /* of the options' flags: no letters */

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    char *why;
    if (key == ARGP_KEY_ARG) {
        arguments->command = state->argv + state->next - 1;
        state->next = state->argc;
        return 0;
    }
    if (key < FIRST_KEY || key >= FIRST_KEY + 0x1000)
        return ARGP_ERR_UNKNOWN;
    const struct rw_option_row *row = &rw_option_rows()[key - FIRST_KEY];
    if (rw_options_set(arguments->options, row->key, argument, &why) != 0)
        rw_usage_error("%s", why);
    return 0;
}

/* One flag for each row; --help is argp's. A flag option needs no value. */
static const struct argp_option *flags(void *parent)
{
    const struct rw_option_row *rows = rw_option_rows();
    size_t count = 0;
    while (rows[count].key != NULL)
        count++;
    struct argp_option *list = talloc_zero_array(parent, struct argp_option, (unsigned)count + 1);
    size_t out = 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].key, "help") == 0)
            continue;
        char *doc =
            talloc_asprintf(list, "%s%s%s%s", rows[i].help, *rows[i].standard != '\0' ? " (default: " : "",
                            rows[i].standard, *rows[i].standard != '\0' ? ")" : "");
        list[out++] = (struct argp_option){
            .name = rows[i].name,
            .key = FIRST_KEY + (int)i,
            .arg = rows[i].value_word,
            .flags = strcmp(rows[i].value_word, "0|1") == 0 ? OPTION_ARG_OPTIONAL : 0,
            .doc = doc,
        };
    }
    return list;
}

/* What the program gets back of what we found, before we changed it. */
static struct {
    char **environment;
    void (*file_size_handler)(int);
    void (*child_handler)(int);
    void (*pipe_handler)(int);
} before_us;

/* Under a limit of file sizes a recording or a report that is too large is an error to be told, not a signal
 * that ends us; nor does a message that nobody reads. And of children whose ends are ignored there is no exit
 * status. */
static void change_signals(void)
{
    before_us.file_size_handler = signal(SIGXFSZ, SIG_IGN);
    before_us.pipe_handler = signal(SIGPIPE, SIG_IGN);
    before_us.child_handler = signal(SIGCHLD, SIG_DFL);
}

static void restore_signals(void)
{
    signal(SIGXFSZ, before_us.file_size_handler);
    signal(SIGPIPE, before_us.pipe_handler);
    signal(SIGCHLD, before_us.child_handler);
}

/* setenv() leaves the strings alone that it replaces. */
static void keep_environment(void *parent)
{
    size_t count = 0;
    while (environ[count] != NULL)
        count++;
    before_us.environment = talloc_memdup(parent, environ, (count + 1) * sizeof(char *));
}

/* The program without us, in our place. */
static int run_alone(char **command)
{
    restore_signals();
    execvpe(command[0], command, before_us.environment);
    int error = errno;
    fprintf(stderr, "racewatch run: %s: %s\n", command[0], strerror(error));
    return error == ENOENT ? RW_EXIT_NOT_FOUND : RW_EXIT_NOT_RUN;
}

static void set_environment(void *scratch, const struct rw_options *options, const struct rw_session *session,
                            const char *library)
{
    const char *before = getenv("LD_PRELOAD");
    const char *preload =
        before != NULL && *before != '\0' ? talloc_asprintf(scratch, "%s:%s", library, before) : library;
    const char *given = rw_options_string(scratch, options);
    struct stat namespace;
    const char *place = stat("/proc/self/ns/pid", &namespace) == 0
                            ? talloc_asprintf(scratch, "@%lu", (unsigned long)namespace.st_ino)
                            : "";
    setenv("LD_PRELOAD", preload, 1);
    setenv("RACEWATCH_SESSION", talloc_asprintf(scratch, "%d%s:%s", (int)getpid(), place, session->path), 1);
    setenv("RACEWATCH_DIR", session->out, 1);
    if (*given != '\0')
        setenv("RACEWATCH_OPTIONS", given, 1);
    else
        unsetenv("RACEWATCH_OPTIONS");
}

/* Children read the file as well, wherever they are; and a colon would end the option. */
static void prepare_replay(struct rw_options *options)
{
    if (*options->replay == '\0')
        return;
    char *path = realpath(options->replay, NULL);
    if (path == NULL)
        rw_usage_error("--replay=%s: %s", options->replay, strerror(errno));
    if (strchr(path, ':') != NULL)
        rw_usage_error("--replay: a path with a colon cannot be passed on: %s", path);
    options->replay = talloc_strdup(options, path);
    free(path);
    options->perturb = "serial";
    options->is_set.perturb = true;
}

static void signals_to_take(sigset_t *set)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD};
    sigemptyset(set);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaddset(set, numbers[i]);
}

/* posix_spawn() could not give back a signal that was ignored. The child has dispositions of its own, and our
 * memory until it has become the program. */
static pid_t spawn(char **command, const sigset_t *mask, int *error)
{
    *error = 0;
    pid_t child = vfork();
    if (child == 0) {
        restore_signals();
        sigprocmask(SIG_SETMASK, mask, NULL);
        execvp(command[0], command);
        *error = errno;
        _exit(RW_EXIT_NOT_RUN);
    }
    if (child < 0)
        *error = errno;
    else if (*error != 0)
        waitpid(child, NULL, 0);
    return child;
}

/* A path as the user would type it: relative where it lies below the working directory. */
static const char *from_here(const char *path)
{
    char *cwd = getcwd(NULL, 0);
    size_t length = cwd != NULL ? strlen(cwd) : 0;
    bool is_below = length > 1 && strncmp(path, cwd, length) == 0 && path[length] == '/';
    free(cwd);
    return is_below ? path + length + 1 : path;
}

static void say(const struct rw_monitor_result *result, char **command)
{
    if (result->trouble != NULL)
        rw_tell(stderr, "racewatch: %s", result->trouble);
    if (!result->has_seen && result->refused != 0)
        rw_tell(stderr, "racewatch: %s was not watched: it could not make a recording: %s", command[0],
                strerror(result->refused));
    else if (!result->has_seen)
        rw_tell(
            stderr,
            "racewatch: %s was not watched: it is linked statically, changes its user, or drops LD_PRELOAD",
            command[0]);
    if (result->told == 0 && result->tests_told > 0)
        rw_tell(stderr, "racewatch: %zu test%s left something behind; see %s", result->tests_told,
                result->tests_told == 1 ? "" : "s", from_here(result->index));
    for (const char *line = result->schedules_said; line != NULL && *line != '\0';) {
        int length = (int)strcspn(line, "\n");
        rw_tell(stderr, "racewatch: %.*s", length, line);
        line += length + 1;
    }
    if (result->told == 0)
        return;
    /* A sentence ends with a full stop; this one goes on. */
    int length = (int)strlen(result->first_sentence);
    if (length > 0 && result->first_sentence[length - 1] == '.')
        length--;
    rw_tell(stderr, "racewatch: %zu incident%s%s%.*s%s%s", result->told, result->told == 1 ? ": " : "s",
            result->told == 1 ? "" : ", the first: ", length, result->first_sentence,
            result->first_report != NULL ? "; see " : "",
            result->first_report != NULL ? from_here(result->first_report) : "");
}

static int watch(void *scratch, const struct arguments *arguments, struct rw_session *session,
                 const char *library)
{
    char **command = arguments->command;
    sigset_t taken, before;
    signals_to_take(&taken);
    sigprocmask(SIG_BLOCK, &taken, &before);
    set_environment(scratch, arguments->options, session, library);
    int error;
    pid_t child = spawn(command, &before, &error);
    if (error != 0) {
        rw_session_remove(session);
        rw_session_close(session);
        sigprocmask(SIG_SETMASK, &before, NULL);
        if (child < 0) /* no room for one process more: ours has to do */
            fprintf(stderr, "racewatch run: nothing is watched: cannot make a process: %s\n",
                    strerror(error));
        return run_alone(command);
    }
    rw_last_resort_child(child, &taken);
    struct rw_monitor_setup setup = {
        .options = arguments->options,
        .session = session,
        .command = rw_command_name(scratch, command),
        .child = child,
        .child_ended = rw_last_resort_status,
        .first = child,
        .signals = &taken,
        .log = arguments->options->verbose ? stderr : NULL,
    };
    struct rw_monitor_result result;
    rw_monitor_run(scratch, &setup, &result);
    say(&result, command);
    if (result.told > 0 && arguments->options->error_exitcode > 0)
        return (int)(arguments->options->error_exitcode & 0xff);
    return WIFSIGNALED(result.wait_status) ? 128 + WTERMSIG(result.wait_status)
                                           : WEXITSTATUS(result.wait_status);
}

/* Before anything is allocated: the command is not known yet, but where only flags and "--" stand before it.
 */
static void begin_last_resort(char **argv)
{
    char **at = argv + 1;
    while (*at != NULL && (*at)[0] == '-' && strcmp(*at, "--") != 0)
        at++;
    if (*at != NULL && strcmp(*at, "--") == 0 && at[1] != NULL)
        rw_last_resort_begin(at + 1, environ, restore_signals);
}

int rw_command_run(int argc, char **argv)
{
    change_signals();
    before_us.environment = environ;
    begin_last_resort(argv);
    void *scratch = talloc_new(NULL);
    struct arguments arguments = {.options = rw_options_new(scratch)};
    struct argp argp = {.options = flags(scratch),
                        .parser = parse,
                        .args_doc = "[--] COMMAND...",
                        .doc =
                            "Run a program and watch it. Its exit status is the program's own.\v"
                            "Flags win over RACEWATCH_OPTIONS=\"key=value:...\", which has the same names."};
    rw_options_from_environment(arguments.options, stderr);
    rw_parse(&argp, argc, argv, RW_EXIT_OWN, &arguments);
    if (arguments.options->help) {
        rw_options_print(stderr);
        arguments.options->help = false;
    }
    prepare_replay(arguments.options);
    if (arguments.command == NULL)
        rw_usage_error("which command? (racewatch run [OPTION...] [--] COMMAND...)");
    keep_environment(scratch);
    rw_last_resort_begin(arguments.command, before_us.environment, restore_signals);
    const char *is_on = getenv("RACEWATCH");
    if (is_on != NULL && strcmp(is_on, "0") == 0)
        return run_alone(arguments.command);
    /* The order of a set may decide which race is lost. */
    if (arguments.options->is_set.seed || strcmp(arguments.options->perturb, "off") != 0)
        setenv("PYTHONHASHSEED", "0", 0);
    char *why = NULL, *library = rw_find_library(scratch, &why);
    struct rw_session *session = NULL;
    if (library == NULL || rw_session_create(scratch, arguments.options->dir, &session, &why) != 0) {
        fprintf(stderr, "racewatch run: nothing is watched: %s\n", why);
        return run_alone(arguments.command);
    }
    int status = watch(scratch, &arguments, session, library);
    talloc_free(scratch);
    return status;
}
