/* SPDX-License-Identifier: MIT */
/* A process that ended badly is told with its parent, as its recording has it where the kernel tells nothing
 * any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <talloc.h>

#include "tests/unit/recording/make_recording.h"
#include "tools/incident/model.h"
#include "tools/monitor/failures.h"
#include "tools/recording/reader.h"

#define PARENT_PID 0x3ffffffd /* no process has such a pid, as below */
#define CHILD_PID 0x3ffffffe
#define ENDED_NS (MADE_START_NS + MADE_S)

/* The process of a recording ended with this status; what an incident tells of its parent's children. */
static struct rw_incident *told_of_status(int status)
{
    struct made made;
    char *folder = make_folder(), *path = talloc_asprintf(NULL, "%s/child.rec", folder), *why;
    struct rw_watched watched = {.pid = CHILD_PID, .own_pid = CHILD_PID, .pidfd = -1};
    make_recording(&made, 1);
    made.header->ppid = PARENT_PID;
    made.header->exit_begin_ns = ENDED_NS;
    made.header->exit_status = status;
    snprintf(made.header->executable, sizeof(made.header->executable), "/usr/bin/worker");
    write_recording(&made, path, SIZE_MAX);
    assert_int_equal(rw_reader_open(path, &watched.reader, &why), 0);

    struct rw_failures *failures = rw_failures_new(NULL);
    struct rw_incident *incident = rw_incident_new(NULL);
    rw_incident_add_process(incident, PARENT_PID);
    rw_failures_note(failures, &watched, ENDED_NS);
    rw_failures_fill(failures, incident);
    talloc_free(failures);
    rw_reader_close(watched.reader);
    free_recording(&made);
    remove_folder(folder);
    talloc_free(path);
    return incident;
}

static void a_child_that_failed_is_told_with_its_parent(void **state)
{
    (void)state;
    struct rw_incident *incident = told_of_status(3);
    const struct rw_process_info *parent = &incident->processes[0];
    assert_int_equal(parent->failed_child_count, 1);
    assert_int_equal(parent->failed_children[0].pid, CHILD_PID);
    assert_int_equal(parent->failed_children[0].status, 3);
    assert_int_equal(parent->failed_children[0].ended_ns, ENDED_NS);
    assert_string_equal(parent->failed_children[0].name, "worker");
    talloc_free(incident);
}

static void one_that_ended_well_is_not(void **state)
{
    (void)state;
    struct rw_incident *incident = told_of_status(0);
    assert_int_equal(incident->processes[0].failed_child_count, 0);
    talloc_free(incident);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_that_failed_is_told_with_its_parent),
        cmocka_unit_test(one_that_ended_well_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
