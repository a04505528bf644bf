/* SPDX-License-Identifier: MIT */
/* Reports of more threads and processes than anybody reads. */
#include "tests/unit/report/text_of.h"

/* What is shown of a long list. */
#define LIST_HEAD 16
#define LIST_TAIL 4

/* Every stack is there; of many threads that share one the first and the last are named. */
static void no_stack_is_cut_away(void **state)
{
    struct rw_incident *incident = diagnosed("two_locks");
    struct rw_process_info *process = &incident->processes[0];
    char *report;

    (void)state;
    for (int i = 0; i < 500; i++) {
        struct rw_frame frame = {.function = i < 400 ? (i % 2 ? "odd" : "even")
                                                     : talloc_asprintf(incident, "own_%03d", i),
                                 .module = "/x/program",
                                 .pc = 1000u + (unsigned)i};
        struct rw_thread *thread = rw_process_thread(incident, process, 10000 + i);

        thread->is_alive = true;
        rw_add_frame(incident, thread, &frame);
    }
    report = text_of(incident);
    for (int i = 0; i < 500; i++) {
        bool is_named = i >= 400 || i < 2 * LIST_HEAD || i >= 400 - 2 * LIST_TAIL;
        char label[32];

        snprintf(label, sizeof label, "thread %d", 10000 + i);
        assert_int_equal(is_named, strstr(report, label) != NULL);
        snprintf(label, sizeof label, "own_%03d", i);
        assert_int_equal(i >= 400, strstr(report, label) != NULL);
    }
    assert_non_null(strstr(report, "200 threads like this"));
    assert_non_null(strstr(report, "180 more"));
    free(report);
    talloc_free(incident);
}

/* A ring of five hundred workers: its beginning and its end, one of the processes for all, and how many there
 * are. */
static void many_equal_processes_are_shown_as_one(void **state)
{
    struct rw_incident *incident = rw_incident_new(NULL);
    const struct rw_frame frame = {.function = "work", .module = "/x/program", .pc = 1000};
    char *report;

    (void)state;
    for (int i = 0; i < 500; i++) {
        struct rw_process_info *process = rw_incident_add_process(incident, 1000 + i);
        struct rw_thread *thread = rw_process_thread(incident, process, 1000 + i);
        struct rw_wait_on *wait = rw_thread_wait_on(incident, thread);

        process->is_alive = thread->is_alive = true;
        process->command = "program";
        thread->os_state = 'S';
        rw_add_frame(incident, thread, &frame);
        wait->kind = "mutex";
        wait->object = 0x1000 + (uint64_t)i;
        wait->owner.tid = wait->owner.pid = 1000 + (i + 1) % 500;
        wait->owner.certainty = RW_EXACT;
        rw_process_note(incident, process, "the same of all");
    }
    rw_diagnose(incident);
    report = text_of(incident);
    assert_non_null(strstr(report, "through 500 threads"));
    assert_non_null(strstr(report, "(480 more: incident.json has them all)"));
    assert_non_null(strstr(report, "It stands for 500 processes that look alike"));
    assert_non_null(strstr(report, "held by the main thread (tid 1001) of process 1001"));
    assert_null(strstr(report, "which is not in the process"));
    assert_non_null(strstr(report, "and 488"));
    assert_null(strstr(strstr(report, "the same of all") + 1, "the same of all"));
    assert_null(strstr(report, "Threads of process 1001"));
    assert_true(strlen(report) < 16 * 1024);
    free(report);
    talloc_free(incident);
}

/* A ring of five hundred threads in one process: those that the answer shows have a place of their own, the
 * others are told as one. */
static void a_long_ring_has_a_short_report(void **state)
{
    struct rw_incident *incident = rw_incident_new(NULL);
    struct rw_process_info *process = rw_incident_add_process(incident, 1000);
    const struct rw_frame frame = {.function = "work", .module = "/x/program", .pc = 1000};
    char *report;

    (void)state;
    process->is_alive = true;
    for (int i = 0; i < 500; i++) {
        struct rw_thread *thread = rw_process_thread(incident, process, 1000 + i);
        struct rw_wait_on *wait = rw_thread_wait_on(incident, thread);

        thread->is_alive = true;
        thread->os_state = 'S';
        rw_add_frame(incident, thread, &frame);
        wait->kind = "mutex";
        wait->owner.tid = 1000 + (i + 1) % 500;
        wait->owner.pid = 1000;
        wait->owner.certainty = RW_EXACT;
    }
    rw_diagnose(incident);
    report = text_of(incident);
    assert_non_null(strstr(report, "through 500 threads"));
    assert_non_null(strstr(report, "480 threads like this"));
    assert_true(strlen(report) < 16 * 1024);
    free(report);
    talloc_free(incident);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_stack_is_cut_away),
        cmocka_unit_test(many_equal_processes_are_shown_as_one),
        cmocka_unit_test(a_long_ring_has_a_short_report),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
