/* SPDX-License-Identifier: MIT */
/* What is said of a thread that moves, but slowly. */
#include "tests/unit/diagnosis/cases.h"

/* Two threads that run under one GIL for a second: `other_s` of it the other one, at one and the same place.
 */
static struct rw_incident *rivals(double other_s, int64_t interpreter)
{
    struct rw_incident *incident = bare(2);
    const struct rw_python_frame frame = {.function = "loop", .file = "x.py", .interpreter = interpreter};
    struct rw_interpreter_info *info = rw_process_interpreter(incident, &incident->processes[0], 0x1000);

    info->id = 0;
    info->is_main = true;
    info->gil.is_enabled = 1;
    incident->between_looks_s = 1;
    thread_of(incident, 100)->is_main = true;
    for (int tid = 100; tid < 102; tid++) {
        struct rw_thread *thread = thread_of(incident, tid);

        thread->os_state = 'R';
        thread->moved = thread->same_calls = 1;
        thread->transitions_delta = 3;
        thread->cpu_delta_s = tid == 100 ? 0.2 : other_s;
        rw_add_python_frame(incident, thread, &frame);
    }
    rw_diagnose(incident);
    return incident;
}

static void who_takes_the_gil_from_a_slow_thread_is_told(void **state)
{
    struct rw_incident *incident = rivals(0.7, 4);

    (void)state;
    expect(incident, "slow", RW_INFERRED);
    expect_in_sentence(incident, "; it shares the GIL with thread 101, which used 70 % of a processor");
    expect_in_sentence(incident, "in interpreter 4.");
    assert_null(culprit(incident, 101)); /* to run is no fault */
    talloc_free(incident);

    incident = rivals(0.05, 4);
    assert_null(strstr(incident->verdict.sentence, "shares the GIL"));
    talloc_free(incident);
}

/* One look at a thread that runs, and at one that waits for it. */
static void of_one_look_at_a_thread_that_runs_nothing_is_said(void **state)
{
    struct rw_incident *incident = bare(2);

    (void)state;
    thread_of(incident, 101)->os_state = 'R';
    waits(incident, 100, "thread-join", 101);
    rw_diagnose(incident);
    expect(incident, "unknown", RW_INFERRED);
    expect_in_sentence(incident, "; why this does not end is not known.");
    talloc_free(incident);
}

static void it_hangs_in_the_test_of_who_waits(void **state)
{
    struct rw_incident *incident = bare(3);

    (void)state;
    incident->processes[0].test = "x.py::hangs";
    incident->processes[0].test_begin_ns = incident->now_ns - 6000000000;
    waits(incident, 100, "lock", 101);
    waits(incident, 101, "event", -1)->since_ns = incident->now_ns - 9000000000;
    thread_of(incident, 101)->created_in_test = "x.py::leaves";
    waits(incident, 102, "sleep", -1);
    rw_diagnose(incident);
    expect(incident, "unknown", RW_INFERRED);
    assert_string_equal(incident->verdict.test, "x.py::hangs");
    talloc_free(incident);
}

/* The main thread waits for the one that waits: it is not said to be one that could help. */
static void who_waits_for_a_thread_could_not_end_its_wait(void **state)
{
    struct rw_incident *incident = bare(3);

    (void)state;
    incident->processes[0].test = "x.py::t";
    waits(incident, 100, "thread-join", 101);
    waits(incident, 101, "python-condition", -1);
    waits(incident, 102, "sleep", -1);
    rw_diagnose(incident);
    expect(incident, "unknown", RW_INFERRED);
    expect_in_sentence(incident, "; only thread 102, which sleeps, could still end this wait.");
    talloc_free(incident);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_takes_the_gil_from_a_slow_thread_is_told),
        cmocka_unit_test(of_one_look_at_a_thread_that_runs_nothing_is_said),
        cmocka_unit_test(it_hangs_in_the_test_of_who_waits),
        cmocka_unit_test(who_waits_for_a_thread_could_not_end_its_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
