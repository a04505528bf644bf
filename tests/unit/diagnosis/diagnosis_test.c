/* SPDX-License-Identifier: MIT */
/* Which finding becomes the verdict, and how it is told. */
#include "tests/unit/diagnosis/cases.h"

static void fixtures_get_their_verdict(void **state)
{
    static const struct {
        const char *fixture, *class_name;
        enum rw_certainty certainty;
        const char *look_at, *test, *sentence;
    } cases[] = {
        {"two_locks", "cycle", RW_EXACT, "/home/ann/bank/tests/test_bank.py:21 in transfer",
         "tests/test_bank.py::test_transfer",
         "Deadlock: MainThread (tid 4100) waits for lock `lock_b` held by 'worker-1' (tid 4107), which waits "
         "for lock "
         "`lock_a` held by MainThread."},
        {"interpreter_destroy", "interpreter-destroy", RW_EXACT,
         "/home/ann/tractor/tests/test_backend.py:31 in park", "tests/test_backend.py::test_destroy",
         "MainThread (tid 5100) has been destroying interpreter 1 for 12.3 s; it waits for non-daemon thread "
         "'parked' "
         "(tid 5177) of interpreter 1, created by MainThread in test tests/test_backend.py::test_destroy, "
         "which waits "
         "for event `never` at /home/ann/tractor/tests/test_backend.py:31 in park."},
        {"join_recv", "unknown", RW_INFERRED, "/home/ann/net/tests/test_net.py:9 in read_all",
         "tests/test_net.py::test_reader", NULL},
        {"gil_mutex", "cycle", RW_EXACT, "/home/ann/ext/tests/test_ext.py:12 in test_callback",
         "tests/test_ext.py::test_callback", NULL},
        {"leaked_thread", "leaked-thread", RW_EXACT, "/home/ann/srv/server.py:88 in serve",
         "tests/test_srv.py::test_start", NULL},
        {"self_deadlock", "self-deadlock", RW_EXACT, "/home/ann/cache/cache.c:88 in cache_evict", NULL, NULL},
        {"idle_pool", "idle", RW_INFERRED, NULL, NULL, NULL},
        {"slow", "slow", RW_INFERRED, "/home/ann/m/solve.py:112 in step", "tests/test_math.py::test_big",
         NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rw_incident *incident = fixture(cases[i].fixture);

        rw_diagnose(incident);
        expect(incident, cases[i].class_name, cases[i].certainty);
        if (cases[i].look_at)
            assert_string_equal(incident->verdict.look_at, cases[i].look_at);
        if (cases[i].test)
            assert_string_equal(incident->verdict.test, cases[i].test);
        if (cases[i].sentence)
            assert_string_equal(incident->verdict.sentence, cases[i].sentence);
        assert_true(incident->verdict.evidence_count > 0);
        talloc_free(incident);
    }
}

static void a_second_diagnosis_replaces_the_first(void **state)
{
    struct rw_incident *incident = fixture("two_locks");
    size_t also;

    (void)state;
    rw_diagnose(incident);
    also = incident->also_count;
    rw_diagnose(incident);
    expect(incident, "cycle", RW_EXACT);
    assert_int_equal(incident->also_count, also);
    assert_int_equal(incident->verdict.culprit_count, 2);
    talloc_free(incident);
}

static void after_a_kill_the_recorded_ring_is_still_a_ring(void **state)
{
    struct rw_incident *incident = fixture("two_locks");

    (void)state;
    incident->trigger = "post-mortem";
    incident->processes[0].is_alive = false;
    for (size_t i = 0; i < incident->processes[0].thread_count; i++) {
        incident->processes[0].threads[i].is_alive = false;
        incident->processes[0].threads[i].os_state = 0;
    }
    rw_diagnose(incident);
    expect(incident, "cycle", RW_EXACT);
    talloc_free(incident);
}

static void what_explains_the_hang_comes_before_what_is_wrong_elsewhere(void **state)
{
    struct rw_incident *incident = fixture("interpreter_destroy");
    struct rw_process_info *process = &incident->processes[0];
    struct rw_thread *thread;

    (void)state;
    for (int i = 0; i < 2; i++) {
        thread = rw_process_thread(incident, process, 6000 + i);
        thread->is_alive = true;
        waits(incident, 6000 + i, "mutex", 6001 - i);
    }
    thread_of(incident, 5100)->waits_on->owner.certainty = RW_INFERRED;
    rw_diagnose(incident);
    expect(incident, "interpreter-destroy", RW_INFERRED);
    assert_int_equal(incident->also_count, 1);
    assert_string_equal(incident->also[0].class_name, "cycle");
    incident->trigger = "cycle";
    rw_diagnose(incident);
    expect(incident, "cycle", RW_EXACT);
    talloc_free(incident);
}

static void one_hang_seen_from_two_sides_is_one(void **state)
{
    struct rw_incident *incident = fixture("leaked_thread");
    struct rw_wait_on *wait = thread_of(incident, 8111)->waits_on;

    (void)state;
    wait->kind = "lock";
    wait->fd = -1;
    wait->owner.tid = 8111;
    wait->owner.certainty = RW_EXACT;
    rw_diagnose(incident);
    expect(incident, "self-deadlock", RW_EXACT);
    assert_int_equal(incident->also_count, 0);
    assert_non_null(
        strstr(incident->verdict.evidence[incident->verdict.evidence_count - 1], "leaked-thread"));
    talloc_free(incident);
}

static void two_locks_of_one_name_are_told_apart(void **state)
{
    struct rw_incident *incident = fixture("two_locks");

    (void)state;
    thread_of(incident, 4100)->waits_on->name = "y";
    thread_of(incident, 4107)->waits_on->name = "y";
    rw_diagnose(incident);
    expect_in_sentence(incident, "waits for lock `y` (0x7f20a0001010) held by");
    expect_in_sentence(incident, "waits for lock `y` (0x7f20a0001000) held by");
    talloc_free(incident);
}

static void nothing_known_is_a_verdict_too(void **state)
{
    struct rw_incident *incident = rw_incident_new(NULL);

    (void)state;
    rw_diagnose(incident);
    expect(incident, "unknown", RW_UNKNOWN);
    assert_non_null(incident->verdict.sentence);
    talloc_free(incident);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixtures_get_their_verdict),
        cmocka_unit_test(a_second_diagnosis_replaces_the_first),
        cmocka_unit_test(after_a_kill_the_recorded_ring_is_still_a_ring),
        cmocka_unit_test(what_explains_the_hang_comes_before_what_is_wrong_elsewhere),
        cmocka_unit_test(one_hang_seen_from_two_sides_is_one),
        cmocka_unit_test(two_locks_of_one_name_are_told_apart),
        cmocka_unit_test(nothing_known_is_a_verdict_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
