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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_takes_the_gil_from_a_slow_thread_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
