/* SPDX-License-Identifier: MIT */
/* Misuses in a recording, and what is said of them. */
#include "tests/unit/diagnosis/cases.h"

#include <signal.h>
#include <talloc.h>

#include "tools/incident/model.h"
#include "tools/incident/words.h"

static struct rw_misuse_info *misuse(struct rw_incident *incident, const char *kind, int tid, int other_tid)
{
    struct rw_misuse_info *made = rw_process_add_misuse(incident, &incident->processes[0]);

    made->kind = kind;
    made->outcome = "open";
    made->count = 1;
    made->tid = tid;
    made->other_tid = other_tid;
    made->time_ns = incident->now_ns - 1000000;
    made->object = 0x5000;
    made->where = "/home/me/a.c:12 in work";
    return made;
}

static void each_kind_has_its_class(void **state)
{
    static const struct {
        const char *kind, *class_name;
    } kinds[] = {
        {"join-of-joined", "bad-join"},
        {"join-of-detached", "bad-join"},
        {"detach-of-gone", "bad-join"},
        {"mutex-destroyed", "destroyed-in-use"},
        {"condition-destroyed", "destroyed-in-use"},
        {"semaphore-destroyed", "destroyed-in-use"},
        {"foreign-unlock", "foreign-unlock"},
        {"fork-lock", "fork-with-lock"},
        {"interpreter-destroyed-again", "interpreter-race"},
        {"interpreter-outlived", "interpreter-race"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct rw_incident *incident = bare(3);

        incident->trigger = "misuse";
        misuse(incident, kinds[i].kind, 101, 102);
        rw_diagnose(incident);
        expect(incident, kinds[i].class_name, RW_EXACT);
        assert_non_null(culprit(incident, 101));
        assert_string_equal(incident->verdict.look_at, "/home/me/a.c:12 in work");
        assert_true(rw_is_race_class(kinds[i].class_name));
        talloc_free(incident);
    }
}

static void a_hang_is_not_explained_by_a_race_that_was_seen(void **state)
{
    struct rw_incident *incident = bare(3);

    (void)state;
    waits(incident, 100, "mutex", 101);
    waits(incident, 101, "mutex", 100);
    misuse(incident, "foreign-unlock", 102, 101);
    rw_diagnose(incident);
    expect(incident, "cycle", RW_EXACT);
    talloc_free(incident);

    incident = bare(3);
    misuse(incident, "foreign-unlock", 102, 101);
    rw_diagnose(incident);
    assert_false(rw_is_race_class(incident->verdict.class_name));
    talloc_free(incident);
}

static void what_came_to_nothing_is_not_told(void **state)
{
    struct rw_incident *incident = bare(3);

    (void)state;
    incident->trigger = "misuse";
    misuse(incident, "condition-destroyed", 101, 102)->outcome = "well";
    rw_diagnose(incident);
    assert_false(rw_is_race_class(incident->verdict.class_name));
    talloc_free(incident);
}

/* While the program stands a late thread may still end as it should; and who is killed ends none. */
static void a_late_thread_is_one_when_the_program_has_ended_without_it(void **state)
{
    struct rw_incident *incident = bare(1);
    struct rw_process_info *process = &incident->processes[0];
    struct rw_misuse_info *late = misuse(incident, "late-thread", 100, 107);

    (void)state;
    incident->trigger = "misuse";
    late->other_name = "flusher";
    late->ending = "finalize";
    late->other_ns = late->time_ns - 2000;
    process->exit_begin_ns = incident->now_ns;
    rw_diagnose(incident);
    assert_false(rw_is_race_class(incident->verdict.class_name));

    process->is_alive = false;
    process->exit_begin_ns = 0;
    rw_diagnose(incident);
    assert_false(rw_is_race_class(incident->verdict.class_name));

    process->exit_begin_ns = incident->now_ns;
    rw_diagnose(incident);
    expect(incident, "late-thread", RW_EXACT);
    expect_in_sentence(incident, "'flusher' (tid 107) was created by");
    expect_in_sentence(incident, "2 us after Python's finalisation had begun");
    expect_in_sentence(incident, "the program ended without waiting for it.");
    late->outcome = "cut";
    rw_diagnose(incident);
    expect_in_sentence(incident, "was ended before it had done its work.");
    talloc_free(incident);
}

static struct rw_crash *crash(struct rw_incident *incident, int tid, int signal)
{
    struct rw_crash *made = talloc_zero(incident, struct rw_crash);

    incident->trigger = "crash";
    made->signal = signal;
    made->tid = tid;
    rw_crash_name(incident, made);
    incident->processes[0].crash = made;
    return made;
}

static void a_crash_says_who_and_of_what(void **state)
{
    struct rw_incident *incident = bare(3);
    struct rw_crash *fault = crash(incident, 101, SIGSEGV);
    const struct rw_frame frames[] = {{.function = "abort"}, {.function = "work", .file = "a.c", .line = 3}};

    (void)state;
    waits(incident, 100, "join", 101);
    fault->has_address = true;
    fault->address = 0x10;
    rw_diagnose(incident);
    expect(incident, "crash", RW_EXACT);
    expect_in_sentence(incident, "dies of SIGSEGV (an access to address 0x10) in thread 101");
    assert_non_null(culprit(incident, 101));
    assert_null(culprit(incident, 100));
    fault->has_address = false;
    fault->sender = 77;
    rw_diagnose(incident);
    expect_in_sentence(incident, "(sent by process 77)");
    for (size_t i = 0; i < 2; i++)
        rw_add_frame(incident, thread_of(incident, 101), &frames[i]);
    rw_diagnose(incident);
    expect_in_sentence(incident, "(it called abort)");
    fault->tid = 0;
    incident->processes[0].is_alive = false;
    rw_diagnose(incident);
    expect_in_sentence(incident, "Process 100 died of SIGSEGV, and could not be looked at before");
    talloc_free(incident);
}

/* The race is why; but only one that the thread had a part in. */
static void a_race_of_the_thread_that_crashed_comes_before_the_crash(void **state)
{
    struct rw_incident *incident = bare(3);

    (void)state;
    crash(incident, 101, SIGSEGV);
    misuse(incident, "join-of-joined", 102, 100);
    rw_diagnose(incident);
    expect(incident, "crash", RW_EXACT);
    misuse(incident, "join-of-joined", 101, 100);
    rw_diagnose(incident);
    expect(incident, "bad-join", RW_EXACT);
    talloc_free(incident);
}

static void who_dies_in_an_interpreter_that_is_destroyed_met_a_race(void **state)
{
    struct rw_incident *incident = bare(4);
    struct rw_thread *destroyer = thread_of(incident, 101);
    struct rw_python_frame frame = {.function = "f", .file = "a.py", .line = 1, .interpreter = 2};

    (void)state;
    crash(incident, 102, SIGABRT);
    destroyer->interpreter_call = "destroy";
    destroyer->interpreter_call_id = 2;
    rw_diagnose(incident);
    expect(incident, "crash", RW_EXACT);
    rw_add_python_frame(incident, thread_of(incident, 103), &frame);
    rw_diagnose(incident);
    expect(incident, "crash", RW_EXACT); /* neither of the two crashed */
    rw_add_python_frame(incident, thread_of(incident, 102), &frame);
    rw_diagnose(incident);
    expect(incident, "interpreter-race", RW_INFERRED);
    assert_non_null(culprit(incident, 101));
    assert_non_null(culprit(incident, 102));
    talloc_free(incident);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_its_class),
        cmocka_unit_test(a_hang_is_not_explained_by_a_race_that_was_seen),
        cmocka_unit_test(what_came_to_nothing_is_not_told),
        cmocka_unit_test(a_late_thread_is_one_when_the_program_has_ended_without_it),
        cmocka_unit_test(a_crash_says_who_and_of_what),
        cmocka_unit_test(a_race_of_the_thread_that_crashed_comes_before_the_crash),
        cmocka_unit_test(who_dies_in_an_interpreter_that_is_destroyed_met_a_race),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
