/* SPDX-License-Identifier: MIT */
#include "tests/unit/snapshot/hanging.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <talloc.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/incident/model.h"
#include "tools/snapshot/proc.h"

/* Counts with stat alone, so that it works where tracing is refused. -1: the process is gone. */
static int count_states(pid_t pid, const char *states)
{
    int *tids, found = 0;
    size_t count;

    if (rw_proc_threads(NULL, pid, &tids, &count) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        struct rw_thread_times times;
        found += rw_proc_thread(pid, tids[i], &times, NULL) == 0 && strchr(states, times.state) != NULL;
    }
    talloc_free(tids);
    return found;
}

int hanging_count_state(pid_t pid, char state)
{
    return count_states(pid, (char[]){state, '\0'});
}

static bool is_settled(pid_t pid, int running)
{
    int awake = count_states(pid, "RD");

    assert_true(awake >= 0);
    return awake == running;
}

struct hanging hanging_start(const char *path, const char *argument, const char *argument2, int running)
{
    char line[16] = "";
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    struct hanging hanging = {.pid = fork(), .output = ends[0]};
    assert_true(hanging.pid >= 0);
    if (hanging.pid == 0) {
        dup2(ends[1], 1);
        execl(path, path, argument, argument2, NULL);
        _exit(127);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], line, 6), 6);
    assert_string_equal(line, "ready\n");
    /* Asleep at ten looks in a row, a millisecond apart: nobody is on the way to its wait any more. */
    for (int calm = 0, looks = 0; calm < 10; looks++) {
        assert_true(looks < 10000);
        calm = is_settled(hanging.pid, running) ? calm + 1 : 0;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return hanging;
}

void hanging_end(struct hanging *hanging)
{
    kill(hanging->pid, SIGKILL);
    waitpid(hanging->pid, NULL, 0);
    close(hanging->output);
}

bool hanging_was_disturbed_but(struct hanging *hanging, const char *function)
{
    struct pollfd output = {.fd = hanging->output, .events = POLLIN};
    char lines[4096], *rest = lines, *line;
    bool is_disturbed = false;

    if (poll(&output, 1, 50) <= 0)
        return false;
    ssize_t length = read(hanging->output, lines, sizeof(lines) - 1);
    lines[length > 0 ? length : 0] = '\0';
    while ((line = strsep(&rest, "\n"))) {
        if (*line == '\0' || (function && strstr(line, function)))
            continue;
        fprintf(stderr, "%s\n", line);
        is_disturbed = true;
    }
    return is_disturbed;
}

bool hanging_was_disturbed(struct hanging *hanging)
{
    return hanging_was_disturbed_but(hanging, NULL);
}

struct snapshot snapshot_take(pid_t pid)
{
    struct snapshot snapshot = {.incident = rw_incident_new(NULL)};

    assert_int_equal(rw_image_open(snapshot.incident, pid, NULL, &snapshot.image), 0);
    struct rw_process_info *process = rw_incident_add_process(snapshot.incident, pid);
    snapshot.result = rw_snapshot_process(snapshot.incident, process, snapshot.image, NULL, NULL);
    snapshot.process = process;
    return snapshot;
}

void snapshot_free(struct snapshot *snapshot)
{
    talloc_free(snapshot->incident);
}

int thread_frame(const struct rw_thread *thread, const char *function)
{
    for (size_t i = 0; i < thread->native_count; i++)
        if (thread->native[i].function && strcmp(thread->native[i].function, function) == 0)
            return (int)i;
    return -1;
}

struct rw_thread *snapshot_thread(const struct snapshot *snapshot, const char *function)
{
    for (size_t i = 0; i < snapshot->process->thread_count; i++)
        if (thread_frame(&snapshot->process->threads[i], function) >= 0)
            return &snapshot->process->threads[i];
    return NULL;
}

static bool is_libc(const struct rw_frame *frame)
{
    return frame->module && strstr(frame->module, "/libc.so");
}

bool thread_is_whole(const struct rw_thread *thread)
{
    if (thread_frame(thread, "_start") >= 0 || thread_frame(thread, "start_thread") >= 0)
        return true;
    /* Without names for libc's own functions: it was left for the program, and reached again. */
    if (thread->native_count == 0 || !is_libc(&thread->native[thread->native_count - 1]))
        return false;
    for (size_t i = 0; i < thread->native_count; i++)
        if (!is_libc(&thread->native[i]))
            return true;
    return false;
}

bool snapshot_names_libc(const struct snapshot *snapshot)
{
    return snapshot_thread(snapshot, "start_thread") != NULL;
}
