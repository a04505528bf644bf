/* SPDX-License-Identifier: MIT */
#include "tests/unit/incident/fixtures.h"
#include "tools/diagnosis/diagnosis.h"

static const struct rw_culprit *culprit(const struct rw_incident *incident, int tid)
{
    for (size_t i = 0; i < incident->verdict.culprit_count; i++)
        if (incident->verdict.culprits[i].tid == tid)
            return &incident->verdict.culprits[i];
    return NULL;
}

static void expect(const struct rw_incident *incident, const char *class_name, enum rw_certainty certainty)
{
    if (strcmp(incident->verdict.class_name, class_name) != 0 || incident->verdict.certainty != certainty)
        print_error("%s\n", incident->verdict.sentence);
    assert_string_equal(incident->verdict.class_name, class_name);
    assert_int_equal(incident->verdict.certainty, certainty);
}

static void expect_in_sentence(const struct rw_incident *incident, const char *text)
{
    if (!strstr(incident->verdict.sentence, text))
        print_error("\"%s\" is not in \"%s\"\n", text, incident->verdict.sentence);
    assert_non_null(strstr(incident->verdict.sentence, text));
}

/* A process with `count` threads from tid 100 on, each alive and waiting for nothing. */
static struct rw_incident *bare(int count)
{
    struct rw_incident *incident = rw_incident_new(NULL);
    struct rw_process_info *process = rw_incident_add_process(incident, 100);

    incident->now_ns = 1000000000000;
    incident->trigger = "no-progress";
    process->is_alive = true;
    for (int i = 0; i < count; i++) {
        struct rw_thread *thread = rw_process_thread(incident, process, 100 + i);

        thread->is_alive = true;
        thread->os_state = 'S';
        thread->state = "waiting";
    }
    return incident;
}

static struct rw_wait_on *waits(struct rw_incident *incident, int tid, const char *kind, int owner)
{
    struct rw_wait_on *wait = rw_thread_wait_on(incident, thread_of(incident, tid));

    wait->kind = kind;
    wait->object = 0x1000 + (unsigned)tid;
    wait->since_ns = incident->now_ns - 5000000000;
    wait->owner.tid = owner;
    wait->owner.certainty = owner > 0 ? RW_EXACT : RW_UNKNOWN;
    return wait;
}

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

static void a_parked_thread_that_waits_for_the_destroyer_makes_a_ring(void **state)
{
    struct rw_incident *incident = fixture("interpreter_destroy");
    struct rw_wait_on *wait = thread_of(incident, 5177)->waits_on;

    (void)state;
    wait->kind = "lock";
    wait->owner.tid = 5100;
    wait->owner.certainty = RW_EXACT;
    rw_diagnose(incident);
    expect(incident, "cycle", RW_EXACT);
    expect_in_sentence(incident, "is destroying interpreter 1");
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

static void a_lock_whose_owner_has_ended_is_orphaned(void **state)
{
    struct rw_incident *incident = bare(2);

    (void)state;
    waits(incident, 100, "mutex", 101);
    thread_of(incident, 101)->is_alive = false;
    thread_of(incident, 101)->state = "exited";
    rw_diagnose(incident);
    expect(incident, "orphaned-lock", RW_EXACT);
    expect_in_sentence(incident, "has ended");
    talloc_free(incident);
}

static void a_lock_of_a_thread_that_was_not_forked_is_orphaned_once_for_all_waiters(void **state)
{
    struct rw_incident *incident = bare(20);
    const struct rw_transition forked = {.time_ns = 1, .tid = 100, .event = "forked", .detail = "is forked"};

    (void)state;
    rw_process_add_transition(incident, &incident->processes[0], &forked);
    for (int i = 0; i < 20; i++)
        waits(incident, 100 + i, "mutex", 77)->object = 0x5000;
    rw_diagnose(incident);
    expect(incident, "orphaned-lock", RW_EXACT);
    expect_in_sentence(incident, "a fork copies only the thread that calls it");
    assert_int_equal(incident->also_count, 0);
    talloc_free(incident);
}

static void who_waits_for_a_parked_thread_waits_for_ever(void **state)
{
    struct rw_incident *incident = bare(2);

    (void)state;
    waits(incident, 100, "lock", 101);
    waits(incident, 101, "thread-state", -1);
    rw_diagnose(incident);
    expect(incident, "waits-for-stopped-thread", RW_EXACT);
    expect_in_sentence(incident, "parked for ever");
    talloc_free(incident);
}

static void without_a_process_a_thread_that_is_not_listed_is_only_inferred_to_be_missing(void **state)
{
    struct rw_incident *incident = bare(1);

    (void)state;
    incident->processes[0].is_alive = false;
    thread_of(incident, 100)->is_alive = false;
    waits(incident, 100, "mutex", 55);
    rw_diagnose(incident);
    expect(incident, "orphaned-lock", RW_INFERRED);
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

static void all_waiting_for_signals_in_a_test_means_nobody_is_left(void **state)
{
    struct rw_incident *incident = fixture("idle_pool");

    (void)state;
    incident->processes[0].test = "t.py::test_pool";
    rw_diagnose(incident);
    expect(incident, "no-signaller", RW_INFERRED);
    talloc_free(incident);

    /* One that waits for input could still do it. */
    incident = fixture("idle_pool");
    incident->processes[0].test = "t.py::test_pool";
    thread_of(incident, 1511)->waits_on->kind = "recv";
    rw_diagnose(incident);
    assert_string_not_equal(incident->verdict.class_name, "no-signaller");
    talloc_free(incident);
}

static void a_loop_at_one_place_spins(void **state)
{
    struct rw_incident *incident = fixture("slow");

    (void)state;
    thread_of(incident, 1600)->same_calls = 1;
    thread_of(incident, 1600)->transitions_delta = 0;
    rw_diagnose(incident);
    expect(incident, "spinning", RW_INFERRED);
    talloc_free(incident);

    /* Other functions, or calls that were seen: it gets on with something. */
    incident = fixture("slow");
    thread_of(incident, 1600)->same_calls = 0;
    thread_of(incident, 1600)->transitions_delta = 0;
    rw_diagnose(incident);
    expect(incident, "slow", RW_INFERRED);
    talloc_free(incident);
}

static void one_look_cannot_tell_slow_from_stuck(void **state)
{
    struct rw_incident *incident = fixture("slow");
    struct rw_thread *thread = thread_of(incident, 1600);

    (void)state;
    incident->between_looks_s = 0;
    thread->cpu_delta_s = -1;
    thread->moved = -1;
    thread->transitions_delta = -1;
    rw_diagnose(incident);
    expect(incident, "unknown", RW_UNKNOWN);
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
        cmocka_unit_test(a_ring_of_three_begins_with_who_waits_longest),
        cmocka_unit_test(a_ring_of_a_thousand_is_told_in_a_sentence),
        cmocka_unit_test(who_waits_for_a_ring_is_not_in_it),
        cmocka_unit_test(a_time_limit_makes_a_ring_weak_and_says_so),
        cmocka_unit_test(a_ring_is_as_sure_as_its_weakest_edge),
        cmocka_unit_test(who_moved_since_the_last_look_is_not_surely_in_a_ring),
        cmocka_unit_test(only_locks_that_block_their_owner_are_a_self_deadlock),
        cmocka_unit_test(the_last_taker_of_a_semaphore_is_never_surely_its_owner),
        cmocka_unit_test(the_idle_worker_is_never_blamed_for_a_destroy),
        cmocka_unit_test(a_daemon_thread_does_not_hold_up_a_destroy),
        cmocka_unit_test(a_destroy_is_seen_on_the_stack_where_no_hook_could_be_placed),
        cmocka_unit_test(a_parked_thread_that_waits_for_the_destroyer_makes_a_ring),
        cmocka_unit_test(the_gil_ring_needs_the_holder_and_ignores_the_short_waits),
        cmocka_unit_test(a_holder_that_blocks_with_the_gil_is_named),
        cmocka_unit_test(a_convoy_for_the_gil_is_no_hang),
        cmocka_unit_test(a_runner_that_starves_the_others_of_the_gil_is_inferred),
        cmocka_unit_test(a_lock_whose_owner_has_ended_is_orphaned),
        cmocka_unit_test(a_lock_of_a_thread_that_was_not_forked_is_orphaned_once_for_all_waiters),
        cmocka_unit_test(who_waits_for_a_parked_thread_waits_for_ever),
        cmocka_unit_test(without_a_process_a_thread_that_is_not_listed_is_only_inferred_to_be_missing),
        cmocka_unit_test(after_a_kill_the_recorded_ring_is_still_a_ring),
        cmocka_unit_test(all_waiting_for_signals_in_a_test_means_nobody_is_left),
        cmocka_unit_test(a_loop_at_one_place_spins),
        cmocka_unit_test(one_look_cannot_tell_slow_from_stuck),
        cmocka_unit_test(what_explains_the_hang_comes_before_what_is_wrong_elsewhere),
        cmocka_unit_test(one_hang_seen_from_two_sides_is_one),
        cmocka_unit_test(two_locks_of_one_name_are_told_apart),
        cmocka_unit_test(nothing_known_is_a_verdict_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
