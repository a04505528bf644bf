/* SPDX-License-Identifier: MIT */
/* racewatch dump: a look at a living process, with or without the shim in it, now. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>

#include <talloc.h>

#include "tools/command/commands.h"
#include "tools/monitor/capture.h"
#include "tools/monitor/out_folder.h"
#include "tools/options/options.h"
#include "tools/recording/reader.h"
#include "tools/report/report.h"
#include "tools/snapshot/maps.h"
#include "tools/snapshot/proc.h"

struct arguments {
    int pid;
    const char *dir;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    char *end;
    if (key == 'o') {
        arguments->dir = argument;
        return 0;
    }
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    long pid = strtol(argument, &end, 10);
    if (arguments->pid != 0)
        rw_usage_error("one process at a time");
    if (end == argument || *end != '\0' || pid <= 0 || pid > INT_MAX)
        rw_usage_error("'%s' is no process id", argument);
    arguments->pid = (int)pid;
    return 0;
}

/* The recording that the process has mapped. */
static struct rw_reader *find_recording(void *scratch, int pid)
{
    struct rw_maps *maps = NULL;
    struct rw_reader *reader = NULL;
    if (rw_maps_live(scratch, pid, &maps) != 0)
        return NULL;
    for (size_t i = 0; i < maps->count && reader == NULL; i++) {
        const struct rw_mapping *mapping = &maps->items[i];
        const char *dot = mapping->path != NULL && mapping->shared ? strrchr(mapping->path, '.') : NULL;
        char *why = NULL;
        if (dot == NULL || strcmp(dot, ".rec") != 0 || mapping->is_deleted)
            continue;
        const char *path = rw_proc_path(scratch, pid, mapping->path);
        if (path != NULL && rw_reader_open(path, &reader, &why) == 0 &&
            rw_reader_header(reader)->pid != pid) {
            rw_reader_close(reader);
            reader = NULL;
        }
        talloc_free(why);
    }
    return reader;
}

static void pause_between_looks(void)
{
    struct timespec second = {1, 0};
    nanosleep(&second, NULL);
}

static int write_into(void *scratch, const char *dir, const struct rw_incident *incident, const char *command)
{
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        fprintf(stderr, "racewatch dump: %s: %s\n", dir, strerror(errno));
        return 1;
    }
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "racewatch dump: %s: %s\n", dir, strerror(errno));
        return 1;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    char *run = talloc_asprintf(scratch, "dump-%lx-%d", (long)now.tv_sec, (int)getpid());
    struct rw_out *out = rw_out_new(scratch, fd, dir, run, command);
    const char *name;
    int error = rw_out_add(out, incident, NULL, 0, &name);
    if (error != 0)
        fprintf(stderr, "racewatch dump: not all could be written into %s: %s\n", dir, strerror(-error));
    close(fd);
    return error != 0 ? 1 : 0;
}

int rw_command_dump(int argc, char **argv)
{
    static const struct argp_option flags[] = {
        {"output", 'o', "DIR", 0, "write report.txt and incident.json into a new folder in DIR, too", 0},
        {0},
    };
    struct argp argp = {
        .options = flags,
        .parser = parse,
        .args_doc = "PID",
        .doc = "Look at a living process now, twice in a second, and print what it does and waits for. It "
               "needs no "
               "preparation of the process; one that runs under racewatch has more to tell.",
    };
    struct arguments arguments = {0};
    rw_parse(&argp, argc, argv, RW_EXIT_USAGE, &arguments);
    if (arguments.pid == 0)
        rw_usage_error("which process? (racewatch dump PID)");
    if (kill(arguments.pid, 0) != 0 && errno == ESRCH)
        rw_usage_error("there is no process %d", arguments.pid);
    if (!rw_proc_alive(arguments.pid, 0))
        rw_usage_error("process %d has ended and waits to be reaped by its parent", arguments.pid);
    char maps[64];
    snprintf(maps, sizeof(maps), "/proc/%d/maps", arguments.pid);
    int fd = open(maps, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        rw_usage_error("process %d: %s: it belongs to another user, or does not let itself be looked at",
                       arguments.pid, strerror(errno));
    char byte;
    bool has_memory = read(fd, &byte, 1) == 1;
    close(fd);
    if (!has_memory)
        rw_usage_error("process %d has no memory of its own: it is a part of the kernel, or is ending now",
                       arguments.pid);
    void *scratch = talloc_new(NULL);
    struct rw_options *options = rw_options_new(scratch);
    rw_options_from_environment(options, stderr);
    const char *command = NULL;
    if (rw_proc_command(scratch, arguments.pid, &command) != 0)
        command = NULL;
    struct rw_capture_target target = {.pid = arguments.pid,
                                       .reader = find_recording(scratch, arguments.pid)};
    struct rw_capture_plan plan = {
        .targets = &target,
        .target_count = 1,
        .trigger = "dump",
        .trigger_detail = "asked for by racewatch dump",
        .command = command,
        .native = options->native,
        .python = options->python,
    };
    plan.previous = rw_capture_now(scratch, &plan);
    pause_between_looks();
    struct rw_incident *incident = rw_capture_now(scratch, &plan);
    int status = rw_report_text(incident, stdout) == 0 && fflush(stdout) == 0 ? 0 : 1;
    if (arguments.dir != NULL)
        status |= write_into(scratch, arguments.dir, incident, command);
    rw_reader_close(target.reader);
    talloc_free(scratch);
    return status;
}
