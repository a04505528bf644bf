/* SPDX-License-Identifier: MIT */
/* What is said of signals that have come, and whose Python handlers have not run. */
#include "tests/unit/diagnosis/cases.h"

#include <signal.h>

/* The main thread waits for a lock that the keeper holds, who waits for ever. */
static struct rw_incident *stuck(void)
{
    struct rw_incident *incident = bare(2);

    thread_of(incident, 100)->is_main = true;
    thread_of(incident, 101)->name = "keeper";
    incident->processes[0].has_handlers = 0;
    waits(incident, 100, "mutex", 101);
    waits(incident, 101, "event", -1);
    return incident;
}

static void says(struct rw_incident *incident, const char *text)
{
    rw_diagnose(incident);
    expect_in_sentence(incident, text);
    talloc_free(incident);
}

static void who_must_handle_it_is_named_with_what_he_does(void **state)
{
    (void)state;
    struct rw_incident *incident = stuck();

    rw_process_add_pending_signal(incident, &incident->processes[0], SIGINT, 100);
    says(incident,
         "; SIGINT has arrived, and waits for the main thread (tid 100), which waits for mutex 0x1064, "
         "and runs the handler only when it gets back to Python code.");
}

static void in_another_interpreter_no_handler_runs(void **state)
{
    (void)state;
    struct rw_incident *incident = stuck();
    const struct rw_python_frame frame = {.function = "run", .interpreter = 3};

    rw_add_python_frame(incident, thread_of(incident, 100), &frame);
    rw_process_add_pending_signal(incident, &incident->processes[0], SIGINT, 100);
    rw_process_add_pending_signal(incident, &incident->processes[0], SIGUSR1, 100);
    says(incident,
         "; SIGINT and SIGUSR1 have arrived, and wait for the main thread (tid 100), which is inside "
         "interpreter 3: Python handles signals in the main one only.");
}

static void it_changes_no_verdict(void **state)
{
    (void)state;
    struct rw_incident *without = stuck(), *with = stuck();

    rw_process_add_pending_signal(with, &with->processes[0], SIGINT, 100);
    rw_diagnose(without);
    rw_diagnose(with);
    expect(with, without->verdict.class_name, without->verdict.certainty);
    assert_null(strstr(without->verdict.sentence, "arrived"));
    talloc_free(without);
    talloc_free(with);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_must_handle_it_is_named_with_what_he_does),
        cmocka_unit_test(in_another_interpreter_no_handler_runs),
        cmocka_unit_test(it_changes_no_verdict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
