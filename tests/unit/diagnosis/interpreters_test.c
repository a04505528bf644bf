/* SPDX-License-Identifier: MIT */
/* Interpreters that cannot be destroyed, and GILs that are not handed over. */
#include "tests/unit/diagnosis/cases.h"
#include "tools/incident/words.h"

static void the_idle_worker_is_never_blamed_for_a_destroy(void **state)
{
    static const char *const layouts[] = {"joined thread known", "not known", "no thread states"};

    (void)state;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        struct rw_incident *incident = fixture("interpreter_destroy");
        struct rw_process_info *process = &incident->processes[0];

        /* The worker may well be no daemon: it is the interpreter that counts. */
        thread_of(incident, 5150)->is_daemon = 0;
        if (i > 0)
            thread_of(incident, 5100)->waits_on->owner.tid = -1;
        if (i > 1) {
            for (size_t j = 0; j < process->thread_count; j++)
                process->threads[j].thread_state_count = 0;
            for (size_t j = 0; j < process->interpreter_count; j++)
                process->interpreters[j].thread_state_count = 0;
        }
        rw_diagnose(incident);
        expect(incident, "interpreter-destroy", i == 0 ? RW_EXACT : RW_INFERRED);
        assert_non_null(culprit(incident, 5177));
        assert_string_equal(culprit(incident, 5177)->role, "blocker");
        assert_string_equal(culprit(incident, 5100)->role, "destroyer");
        assert_null(culprit(incident, 5150));
        talloc_free(incident);
    }
}

/* Python 3.9 to 3.12: who imported threading first in there counts as its main thread, also elsewhere. */
static void a_destroy_that_waits_for_who_is_there_no_more_is_told_and_blames_no_other(void **state)
{
    struct rw_incident *incident = fixture("interpreter_destroy");
    struct rw_thread *parked = thread_of(incident, 5177);

    (void)state;
    thread_of(incident, 5100)->waits_on->owner.tid = -1;
    parked->is_alive = false;
    parked->thread_state_count = 0;
    rw_diagnose(incident);
    expect(incident, "interpreter-destroy", RW_INFERRED);
    expect_in_sentence(incident, "no other thread is in that interpreter any more");
    assert_int_equal(incident->verdict.culprit_count, 1);
    thread_of(incident, 5100)->waits_on->has_deadline = true;
    rw_diagnose(incident);
    assert_string_not_equal(incident->verdict.class_name, "interpreter-destroy");
    talloc_free(incident);
}

static void a_daemon_thread_does_not_hold_up_a_destroy(void **state)
{
    struct rw_incident *incident = fixture("interpreter_destroy");

    (void)state;
    thread_of(incident, 5100)->waits_on->owner.tid = -1;
    thread_of(incident, 5177)->is_daemon = 1;
    rw_diagnose(incident);
    assert_string_not_equal(incident->verdict.class_name, "interpreter-destroy");
    talloc_free(incident);
}

static void a_destroy_is_seen_on_the_stack_where_no_hook_could_be_placed(void **state)
{
    struct rw_incident *incident = fixture("interpreter_destroy");

    (void)state;
    thread_of(incident, 5100)->interpreter_call = NULL;
    thread_of(incident, 5100)->interpreter_call_id = -1;
    rw_diagnose(incident);
    expect(incident, "interpreter-destroy", RW_EXACT);
    expect_in_sentence(incident, "interpreter 1");
    talloc_free(incident);
}

static void a_line_in_a_file_comes_before_one_in_a_string(void **state)
{
    struct rw_incident *incident = fixture("interpreter_destroy");
    struct rw_thread *parked = thread_of(incident, 5177);

    (void)state;
    rw_diagnose(incident);
    assert_non_null(incident->verdict.look_at_also);
    for (size_t i = 0; i < parked->python_count; i++)
        if (!rw_is_library_file(parked->python[i].file))
            parked->python[i].file = "<string>";
    rw_diagnose(incident);
    assert_non_null(strstr(incident->verdict.look_at, ".py:"));
    assert_non_null(strstr(incident->verdict.look_at_also, "<string>:31"));
    talloc_free(incident);
}

static void a_parked_thread_that_waits_for_the_destroyer_blocks_the_destroy(void **state)
{
    struct rw_incident *incident = fixture("interpreter_destroy");
    struct rw_wait_on *wait = thread_of(incident, 5177)->waits_on;

    (void)state;
    wait->kind = "lock";
    wait->name = "gate";
    wait->owner.tid = 5100;
    wait->owner.certainty = RW_EXACT;
    wait->owner.taken_at = "inside.py:12";
    rw_diagnose(incident);
    expect(incident, "interpreter-destroy", RW_EXACT);
    expect_in_sentence(incident, "waits for lock `gate` at");
    expect_in_sentence(incident,
                       "; MainThread itself holds that lock (taken at inside.py:12), so neither can go on.");
    assert_int_equal(incident->also_count, 0);
    assert_int_equal(incident->verdict.culprit_count, 2);
    /* As sure as the ring's weakest edge. */
    wait->owner.certainty = RW_INFERRED;
    rw_diagnose(incident);
    expect(incident, "interpreter-destroy", RW_INFERRED);
    talloc_free(incident);
}

static void a_ring_through_others_back_to_the_destroyer_names_them(void **state)
{
    struct rw_incident *incident = fixture("interpreter_destroy");
    struct rw_thread *broker = rw_process_thread(incident, &incident->processes[0], 5190);

    (void)state;
    broker->is_alive = true;
    broker->name = "broker";
    waits(incident, 5177, "mutex", 5190);
    waits(incident, 5190, "mutex", 5100);
    rw_diagnose(incident);
    expect(incident, "interpreter-destroy", RW_EXACT);
    expect_in_sentence(incident, "; 'broker' (tid 5190) holds that lock and waits for mutex");
    expect_in_sentence(incident, "held by MainThread itself, so none can go on.");
    assert_non_null(culprit(incident, 5190));
    talloc_free(incident);
}

static void a_thread_that_waits_for_the_one_who_ends_the_program_is_leaked(void **state)
{
    struct rw_incident *incident = fixture("leaked_thread");
    struct rw_wait_on *wait = waits(incident, 8111, "lock", incident->processes[0].pid);

    (void)state;
    wait->fd = -1;
    rw_diagnose(incident);
    expect(incident, "leaked-thread", RW_EXACT);
    expect_in_sentence(incident, "itself holds that lock, so neither can go on");
    assert_string_equal(culprit(incident, 8111)->role, "leaked");
    assert_int_equal(incident->also_count, 0);
    talloc_free(incident);
}

static void the_gil_ring_needs_the_holder_and_ignores_the_short_waits(void **state)
{
    struct rw_incident *incident = fixture("gil_mutex");

    (void)state;
    incident->processes[0].interpreters[0].gil.holder_tid = 0;
    incident->processes[0].interpreters[0].gil.is_locked = 0;
    rw_diagnose(incident);
    assert_string_not_equal(incident->verdict.class_name, "cycle");
    talloc_free(incident);
}

static void a_holder_that_blocks_with_the_gil_is_named(void **state)
{
    struct rw_incident *incident = fixture("gil_mutex");
    struct rw_thread *holder = thread_of(incident, 7100);

    (void)state;
    holder->waits_on->kind = "read";
    holder->waits_on->call = "read";
    holder->waits_on->fd = 3;
    holder->waits_on->owner.tid = -1;
    rw_diagnose(incident);
    expect(incident, "gil-held", RW_EXACT);
    assert_string_equal(culprit(incident, 7100)->role, "holder");
    expect_in_sentence(incident, "waits in read on fd 3");
    talloc_free(incident);
}

static void a_convoy_for_the_gil_is_no_hang(void **state)
{
    struct rw_incident *incident = fixture("gil_mutex");
    struct rw_thread *holder = thread_of(incident, 7100);

    (void)state;
    holder->waits_on = NULL;
    holder->os_state = 'R';
    holder->state = "running";
    thread_of(incident, 7103)->waits_on->since_ns = incident->now_ns - 20000000; /* 20 ms */
    rw_diagnose(incident);
    assert_string_not_equal(incident->verdict.class_name, "gil-held");
    talloc_free(incident);
}

static void a_runner_that_starves_the_others_of_the_gil_is_inferred(void **state)
{
    struct rw_incident *incident = fixture("gil_mutex");
    struct rw_thread *holder = thread_of(incident, 7100);

    (void)state;
    holder->waits_on = NULL;
    holder->os_state = 'R';
    holder->state = "running";
    holder->moved = 1;
    incident->between_looks_s = 1.0;
    thread_of(incident, 7103)->cpu_delta_s = 0.004;
    thread_of(incident, 7103)->same_calls = 1;
    rw_diagnose(incident);
    expect(incident, "gil-held", RW_INFERRED);
    /* A waiter that gets on has had the GIL meanwhile. */
    thread_of(incident, 7103)->cpu_delta_s = 0.1;
    rw_diagnose(incident);
    assert_string_not_equal(incident->verdict.class_name, "gil-held");
    talloc_free(incident);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_idle_worker_is_never_blamed_for_a_destroy),
        cmocka_unit_test(a_destroy_that_waits_for_who_is_there_no_more_is_told_and_blames_no_other),
        cmocka_unit_test(a_daemon_thread_does_not_hold_up_a_destroy),
        cmocka_unit_test(a_destroy_is_seen_on_the_stack_where_no_hook_could_be_placed),
        cmocka_unit_test(a_line_in_a_file_comes_before_one_in_a_string),
        cmocka_unit_test(a_parked_thread_that_waits_for_the_destroyer_blocks_the_destroy),
        cmocka_unit_test(a_ring_through_others_back_to_the_destroyer_names_them),
        cmocka_unit_test(a_thread_that_waits_for_the_one_who_ends_the_program_is_leaked),
        cmocka_unit_test(the_gil_ring_needs_the_holder_and_ignores_the_short_waits),
        cmocka_unit_test(a_holder_that_blocks_with_the_gil_is_named),
        cmocka_unit_test(a_convoy_for_the_gil_is_no_hang),
        cmocka_unit_test(a_runner_that_starves_the_others_of_the_gil_is_inferred),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
