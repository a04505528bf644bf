/* SPDX-License-Identifier: MIT */
/* Waits that nobody can end any more, and those that end by themselves. */
#include "tests/unit/diagnosis/cases.h"

static void a_lock_whose_owner_has_ended_is_orphaned(void **state)
{
    struct rw_incident *incident = bare(2);

    (void)state;
    waits(incident, 100, "mutex", 101);
    thread_of(incident, 101)->is_alive = false;
    thread_of(incident, 101)->state = "joined";
    thread_of(incident, 101)->name = "forgetful";
    rw_diagnose(incident);
    expect(incident, "orphaned-lock", RW_EXACT);
    expect_in_sentence(incident, "its owner, 'forgetful' (tid 101), has ended while it held it.");
    thread_of(incident, 101)->since_ns = incident->now_ns - 2000000000;
    rw_diagnose(incident);
    expect_in_sentence(incident, "its owner, 'forgetful' (tid 101), ended 2.0 s ago while it held it.");
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
    incident->processes[0].ppid = 70;
    rw_process_thread(incident, rw_incident_add_process(incident, 70), 77)->is_alive = true;
    rw_diagnose(incident);
    expect(incident, "orphaned-lock", RW_EXACT);
    expect_in_sentence(incident, "a fork copies only the thread that calls it");
    assert_int_equal(incident->also_count, 0);
    talloc_free(incident);
}

/* A server that was forked, as multiprocessing's managers are, has threads of its own, and they end. */
static void a_forked_process_has_threads_that_end(void **state)
{
    struct rw_incident *incident = bare(2);
    const struct rw_transition forked = {.time_ns = 1, .tid = 100, .event = "forked", .detail = "is forked"};
    const struct rw_transition end = {
        .time_ns = incident->now_ns - 2000000000, .tid = 77, .event = "thread-exit", .detail = "ends"};

    (void)state;
    thread_of(incident, 100)->is_main = true;
    rw_process_add_transition(incident, &incident->processes[0], &forked);
    waits(incident, 101, "lock", 77);
    rw_diagnose(incident);
    expect(incident, "orphaned-lock", RW_EXACT);
    expect_in_sentence(incident, "it has ended, or is one that the fork");

    rw_process_add_transition(incident, &incident->processes[0], &end);
    rw_diagnose(incident);
    expect(incident, "orphaned-lock", RW_EXACT);
    expect_in_sentence(incident, "thread 77, ended 2.0 s ago while it held it.");
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

/* In a test nothing else explains: Thread.start() returns when the new thread says that it runs. */
static void who_starts_a_thread_waits_for_it_to_begin(void **state)
{
    struct rw_incident *incident = bare(2);
    struct rw_thread *started = thread_of(incident, 101);
    const struct rw_transition ended = {.time_ns = incident->now_ns - 2000000000,
                                        .tid = 101,
                                        .event = "thread-exit",
                                        .detail = "ends by pthread_exit or cancellation"};

    (void)state;
    waits(incident, 100, "thread-start", 101)->owner.certainty = RW_INFERRED;
    waits(incident, 101, "thread-state", -1);
    rw_diagnose(incident);
    expect(incident, "waits-for-stopped-thread", RW_INFERRED);
    expect_in_sentence(incident, "waits for the beginning of thread 101");
    talloc_free(started->waits_on);
    started->waits_on = NULL;

    started->is_alive = false;
    started->state = "exited";
    thread_of(incident, 100)->moved = 0;
    rw_thread_add_transition(incident, started, &ended);
    rw_diagnose(incident);
    expect(incident, "waits-for-stopped-thread", RW_INFERRED);
    expect_in_sentence(incident, "which ended 2.0 s ago.");
    incident->processes[0].python = "3.8.18";
    incident->processes[0].finalize_begin_ns = incident->now_ns - 3000000000;
    rw_diagnose(incident);
    expect_in_sentence(incident,
                       "once Python's finalisation has begun, a thread that asks for the GIL is ended");
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

static void nobody_is_left_where_all_wait_for_each_other_to_signal(void **state)
{
    static const struct {
        const char *main_waits_for, *other_waits_for; /* no other thread if NULL */
        int main_owner;
        const char *says;
    } cases[] = {
        {"queue", NULL, -1, "no other thread is left in the process"},
        {"python-condition", "python-condition", -1, "the only other thread, thread 101, waits on condition"},
        {"semaphore", "condition", 101, "so nobody is left who could end this wait"},
        {"semaphore", NULL, 100, "no other thread is left in the process"},
        {"barrier", "barrier", -1, "waits at barrier"},
        {"condition", "condition", -1, "waits on condition variable"},
        {"thread-join", "event", 101, "thread 101 to end, which waits for event"},
        {"lock", "event", -1, "waits for lock"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rw_incident *incident = bare(cases[i].other_waits_for ? 2 : 1);

        incident->processes[0].has_handlers = 0;
        waits(incident, 100, cases[i].main_waits_for, cases[i].main_owner);
        if (cases[i].other_waits_for)
            waits(incident, 101, cases[i].other_waits_for, -1);
        rw_diagnose(incident);
        expect(incident, "no-signaller", RW_INFERRED);
        expect_in_sentence(incident, cases[i].says);
        assert_int_equal(incident->verdict.culprit_count, cases[i].other_waits_for ? 2 : 1);
        talloc_free(incident);
    }
}

static void who_ended_last_is_told_where_nobody_is_left(void **state)
{
    struct rw_incident *incident = bare(1);
    const struct rw_transition ends[] = {
        {.time_ns = incident->now_ns - 9000000000, .tid = 107, .event = "thread-exit", .detail = "ends"},
        {.time_ns = incident->now_ns - 2000000000, .tid = 108, .event = "thread-exit", .detail = "ends"},
    };

    (void)state;
    incident->processes[0].has_handlers = 0;
    waits(incident, 100, "queue", -1);
    rw_process_add_transition(incident, &incident->processes[0], &ends[0]);
    rw_diagnose(incident);
    expect(incident, "no-signaller", RW_INFERRED);
    expect_in_sentence(incident, "that could end this wait: thread 107 ended 9.0 s ago.");
    rw_process_add_transition(incident, &incident->processes[0], &ends[1]);
    rw_diagnose(incident);
    expect_in_sentence(incident, "that could end this wait: the last to end, thread 108, ended 2.0 s ago.");
    assert_int_equal(incident->verdict.culprit_count, 1);
    talloc_free(incident);
}

static void who_sleeps_again_and_again_at_one_place_polls(void **state)
{
    struct rw_incident *incident = bare(1);
    struct rw_thread *thread = thread_of(incident, 100);

    (void)state;
    waits(incident, 100, "sleep", -1);
    incident->between_looks_s = 2;
    thread->cpu_delta_s = 0.002;
    thread->same_calls = 1;
    thread->switches_delta = 40;
    rw_diagnose(incident);
    expect(incident, "slow", RW_INFERRED);
    expect_in_sentence(incident, "polls: it woke 40 times within 2.0 s");
    thread->switches_delta = 0;
    rw_diagnose(incident);
    expect_in_sentence(incident, "a wait that ends by itself");
    talloc_free(incident);
}

static void a_child_that_died_while_others_waited_is_told(void **state)
{
    static const struct {
        int signal, status, seconds_ago;
        const char *says;
    } cases[] = {
        {9, -1, 4, "; its child process 200 was ended by SIGKILL 4.0 s ago."},
        {64, -1, 4, "; its child process 200 was ended by signal 64 4.0 s ago."},
        {0, 3, 4, "; its child process 200 exited with status 3 4.0 s ago."},
        {0, -1, 4, "; its child process 200 ended by a signal, or without exit(), 4.0 s ago."},
        {9, -1, 60, "that could end this wait."}, /* long before */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rw_incident *incident = bare(1);
        struct rw_failed_child *child = rw_process_add_failed_child(incident, &incident->processes[0]);

        incident->processes[0].has_handlers = 0;
        waits(incident, 100, "queue", -1);
        *child = (struct rw_failed_child){
            200, "worker", incident->now_ns - UINT64_C(1000000000) * (unsigned)cases[i].seconds_ago,
            cases[i].signal, cases[i].status};
        rw_diagnose(incident);
        expect(incident, "no-signaller", RW_INFERRED);
        expect_in_sentence(incident, cases[i].says);
        bool is_evidence = false;
        for (size_t j = 0; j < incident->verdict.evidence_count; j++)
            is_evidence |=
                strstr(incident->verdict.evidence[j], "child process 200 (worker) of process 100") != NULL;
        assert_true(is_evidence);
        assert_int_equal(incident->verdict.culprit_count, 1);
        talloc_free(incident);
    }
}

static void a_thread_that_blocks_its_own_event_loop_is_told_so(void **state)
{
    struct rw_incident *incident = bare(1);
    struct rw_task *task = rw_process_add_task(incident, &incident->processes[0]);

    (void)state;
    incident->processes[0].has_handlers = 0;
    waits(incident, 100, "python-condition", -1);
    *task = (struct rw_task){.library = "asyncio", .name = "Task-1", .tid = 100, .state = "running"};
    rw_diagnose(incident);
    expect_in_sentence(incident, "and so blocks the event loop (asyncio) that it runs, inside task 'Task-1'");
    task->state = "waiting";
    rw_diagnose(incident);
    assert_null(strstr(incident->verdict.sentence, "blocks the event loop"));
    talloc_free(incident);
}

static void a_signal_handler_or_a_thread_that_is_not_known_could_still_signal(void **state)
{
    struct rw_incident *incident = bare(2);

    (void)state;
    waits(incident, 100, "event", -1);
    waits(incident, 101, "queue", -1);
    incident->processes[0].has_handlers = 1;
    rw_diagnose(incident);
    expect(incident, "idle", RW_INFERRED);
    incident->processes[0].has_handlers = -1;
    rw_diagnose(incident);
    expect(incident, "idle", RW_INFERRED);
    waits(incident, 100, "semaphore", 101);
    rw_diagnose(incident);
    expect(incident, "idle", RW_INFERRED);
    /* Who tests does not wait for a signal. */
    incident->processes[0].test = "t.py::test_event";
    rw_diagnose(incident);
    expect(incident, "no-signaller", RW_INFERRED);
    incident->processes[0].test = NULL;
    incident->processes[0].has_handlers = 0;
    thread_of(incident, 101)->waits_on = NULL;
    thread_of(incident, 101)->state = "unrecorded";
    rw_diagnose(incident);
    assert_string_not_equal(incident->verdict.class_name, "no-signaller");
    talloc_free(incident);
}

static void who_has_a_time_limit_or_waits_for_the_outside_could_still_signal(void **state)
{
    static const char *const outside[] = {"read", "poll", "accept", "sleep", "signal", "process", "syscall"};

    (void)state;
    for (size_t i = 0; i <= sizeof outside / sizeof *outside; i++) {
        struct rw_incident *incident = bare(2);

        incident->processes[0].has_handlers = 0;
        waits(incident, 100, "event", -1);
        if (i < sizeof outside / sizeof *outside)
            waits(incident, 101, outside[i], -1);
        else
            waits(incident, 101, "event", -1)->has_deadline = true;
        rw_diagnose(incident);
        assert_string_not_equal(incident->verdict.class_name, "no-signaller");
        talloc_free(incident);
    }
}

static void one_of_many_that_wait_is_not_blamed(void **state)
{
    (void)state;
    for (int threads = 3; threads <= 5; threads += 2) {
        struct rw_incident *incident = bare(threads);

        incident->processes[0].has_handlers = 0;
        for (int tid = 100; tid < 100 + threads; tid++)
            waits(incident, tid, "event", -1);
        rw_diagnose(incident);
        expect(incident, "no-signaller", RW_INFERRED);
        assert_non_null(culprit(incident, 100));
        if (threads == 3)
            assert_non_null(culprit(incident, 102));
        else
            assert_null(culprit(incident, 102));
        talloc_free(incident);
    }
}

static void what_waits_for_a_processor_spins_too(void **state)
{
    static const struct {
        double ran, queued; /* shares of the time between the looks; the kernel may not have counted all */
        int64_t blocks;
        const char *class_name;
    } cases[] = {
        {0.1, 0, -1, "slow"},   {0.1, 0.85, -1, "spinning"}, {0.1, 0.75, 0, "spinning"},
        {0.1, 0.75, 1, "slow"}, {0.01, 0, 0, "spinning"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rw_incident *incident = fixture("slow");
        struct rw_thread *thread = thread_of(incident, 1600);

        thread->same_calls = 1;
        thread->transitions_delta = 0;
        thread->cpu_delta_s = cases[i].ran * incident->between_looks_s;
        thread->queued_delta_s = cases[i].queued * incident->between_looks_s;
        thread->blocks_delta = cases[i].blocks;
        rw_diagnose(incident);
        expect(incident, cases[i].class_name, RW_INFERRED);
        talloc_free(incident);
    }
}

static void an_owner_that_was_seen_to_end_is_said_to(void **state)
{
    struct rw_incident *incident = bare(1);
    struct rw_process_info *process = &incident->processes[0];

    (void)state;
    waits(incident, 100, "lock", 101);
    process->history = talloc_zero_array(incident, struct rw_transition, 2);
    process->history_count = 2;
    process->history[0] =
        (struct rw_transition){.tid = 101, .event = "thread-start", .time_ns = incident->now_ns - 9000000000};
    process->history[1] =
        (struct rw_transition){.tid = 101, .event = "thread-exit", .time_ns = incident->now_ns - 4000000000};
    rw_diagnose(incident);
    expect(incident, "orphaned-lock", RW_EXACT);
    expect_in_sentence(incident, "ended 4.0 s ago while it held it");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lock_whose_owner_has_ended_is_orphaned),
        cmocka_unit_test(a_lock_of_a_thread_that_was_not_forked_is_orphaned_once_for_all_waiters),
        cmocka_unit_test(a_forked_process_has_threads_that_end),
        cmocka_unit_test(who_waits_for_a_parked_thread_waits_for_ever),
        cmocka_unit_test(who_starts_a_thread_waits_for_it_to_begin),
        cmocka_unit_test(without_a_process_a_thread_that_is_not_listed_is_only_inferred_to_be_missing),
        cmocka_unit_test(all_waiting_for_signals_in_a_test_means_nobody_is_left),
        cmocka_unit_test(nobody_is_left_where_all_wait_for_each_other_to_signal),
        cmocka_unit_test(who_ended_last_is_told_where_nobody_is_left),
        cmocka_unit_test(who_sleeps_again_and_again_at_one_place_polls),
        cmocka_unit_test(a_child_that_died_while_others_waited_is_told),
        cmocka_unit_test(a_thread_that_blocks_its_own_event_loop_is_told_so),
        cmocka_unit_test(a_signal_handler_or_a_thread_that_is_not_known_could_still_signal),
        cmocka_unit_test(who_has_a_time_limit_or_waits_for_the_outside_could_still_signal),
        cmocka_unit_test(a_loop_at_one_place_spins),
        cmocka_unit_test(what_waits_for_a_processor_spins_too),
        cmocka_unit_test(one_of_many_that_wait_is_not_blamed),
        cmocka_unit_test(an_owner_that_was_seen_to_end_is_said_to),
        cmocka_unit_test(one_look_cannot_tell_slow_from_stuck),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
