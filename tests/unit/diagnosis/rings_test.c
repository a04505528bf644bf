/* SPDX-License-Identifier: MIT */
/* Threads that wait for each other, and those that wait for themselves. */
#include "tests/unit/diagnosis/cases.h"

static void a_ring_of_three_begins_with_who_waits_longest(void **state)
{
    struct rw_incident *incident = bare(4);

    (void)state;
    waits(incident, 101, "mutex", 102);
    waits(incident, 102, "rwlock", 103)->since_ns -= 1000000000;
    waits(incident, 103, "join", 101);
    waits(incident, 100, "sleep", -1);
    rw_diagnose(incident);
    expect(incident, "cycle", RW_EXACT);
    assert_int_equal(incident->verdict.culprit_count, 3);
    assert_int_equal(incident->verdict.culprits[0].tid, 102);
    expect_in_sentence(incident, "which waits for thread 101 to end");
    talloc_free(incident);
}

static void threads_of_one_name_are_told_apart(void **state)
{
    struct rw_incident *incident = bare(4);

    (void)state;
    waits(incident, 101, "mutex", 102);
    waits(incident, 102, "mutex", 101);
    for (int tid = 101; tid <= 103; tid++)
        thread_of(incident, tid)->name = tid == 103 ? "other" : "worker";
    rw_diagnose(incident);
    expect_in_sentence(incident, "held by 'worker' (tid 101).");
    thread_of(incident, 102)->name = "other";
    thread_of(incident, 103)->name = NULL;
    rw_diagnose(incident);
    expect_in_sentence(incident, "held by 'worker'.");
    talloc_free(incident);
}

static void a_ring_of_a_thousand_is_told_in_a_sentence(void **state)
{
    struct rw_incident *incident = bare(1000);

    (void)state;
    for (int i = 0; i < 1000; i++)
        waits(incident, 100 + i, "mutex", 100 + (i + 1) % 1000);
    rw_diagnose(incident);
    expect(incident, "cycle", RW_EXACT);
    assert_int_equal(incident->verdict.culprit_count, 1000);
    expect_in_sentence(incident, "and so on through 1000 threads");
    assert_true(strlen(incident->verdict.sentence) < 600);
    talloc_free(incident);
}

static void who_waits_for_a_ring_is_not_in_it(void **state)
{
    struct rw_incident *incident = bare(3);

    (void)state;
    waits(incident, 100, "lock", 101);
    waits(incident, 101, "lock", 102);
    waits(incident, 102, "lock", 101);
    rw_diagnose(incident);
    expect(incident, "cycle", RW_EXACT);
    assert_int_equal(incident->verdict.culprit_count, 2);
    assert_null(culprit(incident, 100));
    talloc_free(incident);
}

static void a_time_limit_makes_a_ring_weak_and_says_so(void **state)
{
    struct rw_incident *incident = fixture("two_locks");

    (void)state;
    thread_of(incident, 4107)->waits_on->has_deadline = true;
    rw_diagnose(incident);
    expect(incident, "cycle", RW_INFERRED);
    expect_in_sentence(incident, "ends by itself");
    talloc_free(incident);
}

static void a_ring_is_as_sure_as_its_weakest_edge(void **state)
{
    struct rw_incident *incident = fixture("two_locks");

    (void)state;
    thread_of(incident, 4100)->waits_on->owner.certainty = RW_INFERRED;
    rw_diagnose(incident);
    expect(incident, "cycle", RW_INFERRED);
    talloc_free(incident);
}

static void who_moved_since_the_last_look_is_not_surely_in_a_ring(void **state)
{
    struct rw_incident *incident = fixture("two_locks");

    (void)state;
    thread_of(incident, 4100)->moved = 1;
    rw_diagnose(incident);
    expect(incident, "cycle", RW_INFERRED);
    talloc_free(incident);
}

static void only_locks_that_block_their_owner_are_a_self_deadlock(void **state)
{
    static const char *const harmless[] = {
        "condition", "event",   "queue", "python-condition", "rlock",
        "semaphore", "barrier", "futex", "python-semaphore", "thread-join"};

    (void)state;
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
        struct rw_incident *incident = bare(2);

        waits(incident, 100, harmless[i], 100);
        waits(incident, 101, "read", -1);
        rw_diagnose(incident);
        if (strcmp(incident->verdict.class_name, "self-deadlock") == 0)
            print_error("a wait for a %s\n", harmless[i]);
        assert_string_not_equal(incident->verdict.class_name, "self-deadlock");
        assert_string_not_equal(incident->verdict.class_name, "cycle");
        talloc_free(incident);
    }
}

static void an_idle_worker_that_waits_for_its_next_signal_is_no_self_deadlock(void **state)
{
    (void)state;
    for (int is_sure = 0; is_sure < 2; is_sure++) {
        struct rw_incident *incident = bare(2);
        struct rw_wait_on *wait = waits(incident, 101, "lock", 101);

        wait->owner.certainty = is_sure ? RW_EXACT : RW_INFERRED;
        wait->has_deadline = true;
        waits(incident, 100, "read", -1);
        rw_diagnose(incident);
        assert_int_equal(strcmp(incident->verdict.class_name, "self-deadlock") == 0, is_sure);
        talloc_free(incident);
    }
}

static void the_last_taker_of_a_semaphore_is_never_surely_its_owner(void **state)
{
    struct rw_incident *incident = bare(2);

    (void)state;
    waits(incident, 100, "semaphore", 101);
    waits(incident, 101, "semaphore", 100);
    rw_diagnose(incident);
    expect(incident, "cycle", RW_INFERRED);
    talloc_free(incident);
}

static void what_a_lock_is_is_said_once(void **state)
{
    struct rw_incident *incident = bare(2);

    (void)state;
    waits(incident, 100, "rwlock", 101)->name = "rwlock table_lock for writing";
    waits(incident, 101, "mutex", 100)->name = "mutex 0x55d0";
    rw_diagnose(incident);
    expect_in_sentence(incident, "waits for rwlock `table_lock` for writing held by thread 101");
    expect_in_sentence(incident, "waits for mutex 0x55d0 held by");
    talloc_free(incident);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_lock_is_is_said_once),
        cmocka_unit_test(a_ring_of_three_begins_with_who_waits_longest),
        cmocka_unit_test(threads_of_one_name_are_told_apart),
        cmocka_unit_test(a_ring_of_a_thousand_is_told_in_a_sentence),
        cmocka_unit_test(who_waits_for_a_ring_is_not_in_it),
        cmocka_unit_test(a_time_limit_makes_a_ring_weak_and_says_so),
        cmocka_unit_test(a_ring_is_as_sure_as_its_weakest_edge),
        cmocka_unit_test(who_moved_since_the_last_look_is_not_surely_in_a_ring),
        cmocka_unit_test(only_locks_that_block_their_owner_are_a_self_deadlock),
        cmocka_unit_test(an_idle_worker_that_waits_for_its_next_signal_is_no_self_deadlock),
        cmocka_unit_test(the_last_taker_of_a_semaphore_is_never_surely_its_owner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
