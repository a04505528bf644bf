/* SPDX-License-Identifier: MIT */
/* A look that crashes: an incident with less, and what is missing is said. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <talloc.h>

#include "tests/unit/monitor/scratch.h"
#include "tests/unit/recording/make_recording.h"
#include "tools/incident/json.h"
#include "tools/incident/model.h"
#include "tools/monitor/looks.h"
#include "tools/monitor/progress.h"

#define SLOTS 4

struct stage {
    char *folder;
    pid_t pid;
    struct made made;
    struct rw_options *options;
    struct rw_session *session;
    struct rw_watch *watch;
    struct rw_out *out;
    struct rw_triggers triggers;
    struct rw_publisher *publisher;
    struct rw_looks *looks;
};

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * MADE_S + (uint64_t)now.tv_nsec;
}

static void record(struct stage *stage)
{
    char *path = talloc_asprintf(stage->session, "%s/%d-%llx.rec", stage->session->path, (int)stage->pid,
                                 (unsigned long long)MADE_START_NS);
    stage->made.header->pid = stage->pid;
    stage->made.header->created_boottime_ns = now_ns(CLOCK_BOOTTIME) + MADE_S;
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, stage->made.bytes, stage->made.size), stage->made.size);
    close(fd);
}

static int set_up(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    char *why;
    stage->folder = make_scratch();
    stage->pid = fork();
    if (stage->pid == 0)
        for (;;)
            pause();
    make_recording(&stage->made, SLOTS);
    stage->options = rw_options_new(NULL);
    assert_int_equal(rw_session_create(stage->options, stage->folder, &stage->session, &why), 0);
    record(stage);
    stage->watch = rw_watch_new(stage->options, stage->session->path);
    rw_watch_update(stage->watch, now_ns(CLOCK_MONOTONIC), true);
    assert_non_null(rw_watch_find(stage->watch, stage->pid));
    stage->out =
        rw_out_new(stage->options, stage->session->out_fd, stage->session->out, stage->session->name, "a");
    stage->publisher =
        rw_publisher_new(stage->options, stage->options, stage->session, stage->watch, stage->out);
    rw_triggers_init(&stage->triggers, stage->options, now_ns(CLOCK_MONOTONIC));
    stage->looks = rw_looks_new(stage->options, stage->publisher, &stage->triggers, "a");
    *state = stage;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *stage = *state;
    kill(stage->pid, SIGKILL);
    waitpid(stage->pid, NULL, 0);
    talloc_free(stage->watch);
    talloc_free(stage->options);
    free_recording(&stage->made);
    remove_scratch(stage->folder);
    free(stage);
    return 0;
}

static struct rw_incident *crashes(void *parent, const struct rw_capture_plan *plan)
{
    (void)parent;
    (void)plan;
    abort();
}

static struct rw_incident *crashes_on_python(void *parent, const struct rw_capture_plan *plan)
{
    return plan->python ? crashes(parent, plan) : rw_capture_now(parent, plan);
}

static struct rw_incident *crashes_on_memory(void *parent, const struct rw_capture_plan *plan)
{
    return plan->recordings_only ? rw_capture_now(parent, plan) : crashes(parent, plan);
}

static struct rw_incident *never_ends(void *parent, const struct rw_capture_plan *plan)
{
    while (plan != NULL)
        pause();
    return rw_incident_new(parent);
}

static void look(struct stage *stage, rw_look_fn *what, enum rw_trigger trigger)
{
    struct rw_want want = {
        .trigger = trigger, .pid = stage->pid, .is_explicit = true, .detail = "it is time"};
    rw_looks_set_look(stage->looks, what);
    rw_looks_begin(stage->looks, &want, now_ns(CLOCK_MONOTONIC));
    rw_looks_finish(stage->looks, 20 * MADE_S);
    assert_false(rw_looks_busy(stage->looks));
}

/* The one incident on disk. */
static struct rw_incident *told(struct stage *stage)
{
    assert_int_equal(stage->publisher->told, 1);
    const char *report = stage->publisher->first_report;
    char *why, *path = talloc_asprintf(stage->options, "%.*s/incident.json",
                                       (int)(strrchr(report, '/') - report), report);
    struct rw_incident *incident = rw_incident_read(stage->options, path, O_NOFOLLOW, &why);
    assert_non_null(incident);
    return incident;
}

static bool has_note(const struct rw_incident *incident, const char *text)
{
    for (size_t i = 0; i < incident->note_count; i++)
        if (strstr(incident->notes[i], text) != NULL)
            return true;
    return false;
}

static void without_python(void **state)
{
    struct stage *stage = *state;
    look(stage, crashes_on_python, RW_TRIGGER_TEST);
    const struct rw_incident *incident = told(stage);
    assert_true(has_note(incident, "signal 6"));
    assert_true(rw_process_find_thread(&incident->processes[0], stage->pid)->native_count > 0);
}

static void from_the_recording(void **state)
{
    struct stage *stage = *state;
    look(stage, crashes_on_memory, RW_TRIGGER_TEST);
    const struct rw_incident *incident = told(stage);
    assert_true(has_note(incident, "signal 6"));
    assert_int_equal(incident->processes[0].pid, stage->pid);
    assert_true(incident->processes[0].is_alive);
}

static void and_when_all_fails(void **state)
{
    struct stage *stage = *state;
    look(stage, crashes, RW_TRIGGER_TEST);
    const struct rw_incident *incident = told(stage);
    assert_true(has_note(incident, "signal 6"));
    assert_string_equal(incident->verdict.class_name, "unknown");
    assert_non_null(strstr(incident->verdict.sentence, "it is time"));
}

static void a_guess_is_not_told(void **state)
{
    struct stage *stage = *state;
    look(stage, crashes, RW_TRIGGER_EARLY);
    assert_int_equal(stage->publisher->told, 0);
}

/* Somebody ends the run: he waits for two seconds. */
static void a_signals_look_is_told_in_time(void **state)
{
    struct stage *stage = *state;
    uint64_t from_ns = now_ns(CLOCK_MONOTONIC);
    look(stage, never_ends, RW_TRIGGER_SIGNAL);
    assert_true(has_note(told(stage), "too long"));
    assert_true(now_ns(CLOCK_MONOTONIC) - from_ns < 2 * MADE_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_python, set_up, tear_down),
        cmocka_unit_test_setup_teardown(from_the_recording, set_up, tear_down),
        cmocka_unit_test_setup_teardown(and_when_all_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_guess_is_not_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_signals_look_is_told_in_time, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
