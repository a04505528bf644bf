/* SPDX-License-Identifier: MIT */
/*
 * What a recording adds to a look at a Python: who took a lock by acquire(). Needs Pythons that the library
 * can be preloaded into. argv: libracewatch.so, the program recorded.py.
 */
#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <talloc.h>

#include "tests/unit/cpython/python_program.h"
#include "tools/cpython/cpython.h"
#include "tools/incident/model.h"
#include "tools/recording/model.h"
#include "tools/recording/reader.h"
#include "tools/snapshot/image.h"
#include "tools/snapshot/process.h"

static const char *library, *recorded_script;

/* A session's folder, which one program records into. */
struct session {
    char folder[64];
    struct rw_reader *reader;
};

static struct python_program start_recorded(const char *python, const char *script, struct session *session)
{
    char where[96], preload[PATH_MAX];
    snprintf(session->folder, sizeof session->folder, "/tmp/racewatch-test-XXXXXX");
    assert_non_null(mkdtemp(session->folder));
    assert_non_null(realpath(library, preload));
    snprintf(where, sizeof where, "0:%s", session->folder);
    setenv("LD_PRELOAD", preload, 1);
    setenv("RACEWATCH_SESSION", where, 1);
    struct python_program program = start_python(python, script, NULL, NULL);
    unsetenv("LD_PRELOAD");
    unsetenv("RACEWATCH_SESSION");
    return program;
}

static void open_recording(struct session *session, pid_t pid)
{
    char wanted[32], newest[256] = "", path[512], *why; /* each program that the process became has one */
    DIR *folder = opendir(session->folder);
    struct dirent *entry;
    assert_non_null(folder);
    snprintf(wanted, sizeof wanted, "%d-", (int)pid);
    while ((entry = readdir(folder)))
        if (!strncmp(entry->d_name, wanted, strlen(wanted)) && strcmp(entry->d_name, newest) > 0)
            snprintf(newest, sizeof newest, "%s", entry->d_name);
    closedir(folder);
    snprintf(path, sizeof path, "%s/%s", session->folder, newest);
    if (rw_reader_open(path, &session->reader, &why))
        fail_msg("%s: %s", path, why);
}

static void end_session(struct session *session)
{
    char path[512];
    DIR *folder = opendir(session->folder);
    struct dirent *entry;
    rw_reader_close(session->reader);
    while (folder && (entry = readdir(folder))) {
        snprintf(path, sizeof path, "%s/%s", session->folder, entry->d_name);
        unlink(path);
    }
    closedir(folder);
    rmdir(session->folder);
}

static struct rw_incident *look_with_recording(const struct python_program *program, struct session *session)
{
    struct rw_incident *incident = rw_incident_new(NULL);
    struct rw_process_info *process = rw_incident_add_process(incident, program->pid);
    struct rw_image *image;
    assert_int_equal(rw_image_open(incident, program->pid, NULL, &image), 0);
    assert_int_equal(
        rw_recording_fill(incident, process, session->reader, rw_symbols_describe, image->symbols), 0);
    assert_int_equal(rw_snapshot_process(incident, process, image, session->reader, NULL), 0);
    assert_int_equal(rw_cpython_inspect(incident, process, image, session->reader), 0);
    return incident;
}

static void check_owner(const struct rw_process_info *process, const char *line)
{
    int tid, owner;
    char name[64], seen[512] = "no wait";
    assert_int_equal(sscanf(line, "W %d\t%63[^\t]\t%d", &tid, name, &owner), 3);
    const struct rw_thread *thread = rw_process_find_thread(process, tid);
    assert_non_null(thread);
    const struct rw_wait_on *wait = thread->waits_on;
    if (wait)
        snprintf(seen, sizeof seen, "W %d\t%s\t%d", tid, wait->name ? wait->name : "-",
                 wait->owner.tid > 0 ? wait->owner.tid : 0);
    assert_string_equal(seen, line);
    assert_int_equal(wait->owner.certainty, owner ? RW_EXACT : RW_UNKNOWN);
    if (owner)
        assert_non_null(strstr(wait->owner.how, "the recording"));
}

static void locks_are_those_that_took_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < python_count; i++) {
        struct session session = {.reader = NULL};
        struct python_program program = start_recorded(pythons[i], recorded_script, &session);
        open_recording(&session, program.pid);
        struct rw_incident *incident = look_with_recording(&program, &session);
        char *rest = program.lines, *line;
        size_t checked = 0;
        while ((line = strsep(&rest, "\n")) && *line != 'R') {
            check_owner(&incident->processes[0], line);
            checked++;
        }
        assert_int_equal(checked, 5);
        print_message("%s: %s\n", pythons[i], incident->processes[0].python);
        talloc_free(incident);
        end_python(&program);
        end_session(&session);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(locks_are_those_that_took_them),
    };
    if (argc < 3)
        return 2;
    library = argv[1];
    recorded_script = argv[2];
    return cmocka_run_group_tests(tests, find_pythons, forget_pythons);
}
