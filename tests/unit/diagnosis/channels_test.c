/* SPDX-License-Identifier: MIT */
/* Waits that go through pipes, children and shared memory: when nobody is left who could end them, and above
 * all when that must not be said. */
#include "tests/unit/diagnosis/cases.h"

#define PARENT 100
#define CHILD 200

/* A process with one thread that waits for another process by one channel. `holder` 0: nobody. */
static struct rw_channel *linked(struct rw_incident *incident, int pid, const char *kind,
                                 const char *channel_kind, const char *wants, int holder)
{
    struct rw_process_info *process = rw_incident_find_process(incident, pid);

    if (!process) {
        process = rw_incident_add_process(incident, pid);
        process->is_alive = true;
    }
    process->has_handlers = 0;
    struct rw_thread *thread = rw_process_thread(incident, process, pid);
    thread->is_alive = thread->is_main = true;
    thread->os_state = 'S';
    thread->moved = 0;
    struct rw_wait_on *wait = rw_thread_wait_on(incident, thread);
    wait->kind = kind;
    wait->call = kind;
    wait->fd = 3;
    struct rw_channel *channel = rw_wait_add_channel(incident, wait, channel_kind, wants);
    channel->name = "pipe:[7]";
    channel->fd = 3;
    channel->is_complete = 1;
    if (strcmp(channel_kind, "process") == 0) {
        wait->fd = channel->fd = -1;
        channel->state = "alive";
    }
    if (holder)
        rw_channel_add_holder(incident, channel, holder, 4, "peer");
    return channel;
}

static struct rw_incident *parent_and_child(struct rw_channel **pipe)
{
    struct rw_incident *incident = rw_incident_new(NULL);

    incident->now_ns = 1000000000000;
    incident->trigger = "no-progress";
    linked(incident, PARENT, "process", "process", "exit", CHILD);
    *pipe = linked(incident, CHILD, "write", "pipe", "room", PARENT);
    rw_incident_find_process(incident, CHILD)->ppid = PARENT;
    return incident;
}

static void a_child_that_fills_the_pipe_of_its_waiting_parent(void **state)
{
    struct rw_channel *pipe;
    struct rw_incident *incident = parent_and_child(&pipe);

    (void)state;
    rw_diagnose(incident);
    expect(incident, "cycle", RW_EXACT);
    assert_non_null(culprit(incident, PARENT));
    assert_non_null(culprit(incident, CHILD));
    expect_in_sentence(incident, "to make room");
    talloc_free(incident);
}

/* Numbers of processes begin again. */
static void a_ring_begins_with_the_process_that_did(void **state)
{
    static const uint64_t started_s[][2] = {{10, 20}, {20, 10}};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct rw_channel *pipe;
        struct rw_incident *incident = parent_and_child(&pipe);

        rw_incident_find_process(incident, PARENT)->started_ns = started_s[i][0] * 1000000000;
        rw_incident_find_process(incident, CHILD)->started_ns = started_s[i][1] * 1000000000;
        rw_diagnose(incident);
        expect(incident, "cycle", RW_EXACT);
        assert_int_equal(incident->verdict.culprits[0].pid, i == 0 ? PARENT : CHILD);
        talloc_free(incident);
    }
}

static void who_is_not_seen_may_read(void **state)
{
    struct rw_channel *pipe;
    struct rw_incident *incident = parent_and_child(&pipe);

    (void)state;
    pipe->is_complete = 0;
    rw_diagnose(incident);
    assert_string_not_equal(incident->verdict.class_name, "cycle");
    assert_string_not_equal(incident->verdict.class_name, "pipe");
    talloc_free(incident);
}

static void who_was_not_looked_at_may_read(void **state)
{
    struct rw_channel *pipe;
    struct rw_incident *incident = parent_and_child(&pipe);

    (void)state;
    rw_channel_add_holder(incident, pipe, 300, 4, "cat");
    rw_diagnose(incident);
    assert_string_not_equal(incident->verdict.class_name, "cycle");
    talloc_free(incident);
}

static void who_has_moved_may_read(void **state)
{
    struct rw_channel *pipe;
    struct rw_incident *incident = parent_and_child(&pipe);

    (void)state;
    thread_of(incident, PARENT)->moved = 1;
    rw_diagnose(incident);
    assert_string_not_equal(incident->verdict.class_name, "cycle");
    talloc_free(incident);
}

/* A test runner has threads of its own, which could read but do not. */
static void a_parent_with_other_threads_may_still_read(void **state)
{
    struct rw_channel *pipe;
    struct rw_incident *incident = parent_and_child(&pipe);
    struct rw_thread *other = rw_process_thread(incident, rw_incident_find_process(incident, PARENT), 101);

    (void)state;
    other->is_alive = true;
    other->os_state = 'S';
    waits(incident, 101, "sleep", -1);
    rw_diagnose(incident);
    assert_string_not_equal(incident->verdict.class_name, "pipe");
    /* A test that takes too long is the place to look at. */
    rw_incident_find_process(incident, PARENT)->test = "t.py::test";
    rw_diagnose(incident);
    expect(incident, "pipe", RW_INFERRED);
    assert_non_null(culprit(incident, PARENT));
    assert_null(culprit(incident, 101));
    /* One that reads from it shows that it is read from. */
    rw_wait_add_channel(incident, other->waits_on, "pipe", "data")->fd = 4;
    rw_diagnose(incident);
    assert_string_not_equal(incident->verdict.class_name, "pipe");
    talloc_free(incident);
}

static void a_hidden_process_makes_it_less_sure(void **state)
{
    struct rw_channel *pipe;
    struct rw_incident *incident = parent_and_child(&pipe);

    (void)state;
    pipe->note = "some processes of other users could not be looked into";
    rw_diagnose(incident);
    expect(incident, "cycle", RW_INFERRED);
    talloc_free(incident);
}

static void a_pipe_to_oneself_stays_empty(void **state)
{
    struct rw_incident *incident = bare(1);

    (void)state;
    linked(incident, 100, "read", "pipe", "data", 100);
    rw_diagnose(incident);
    expect(incident, "pipe", RW_EXACT);
    expect_in_sentence(incident, "only process 100 itself");
    talloc_free(incident);
}

static void another_thread_may_write_to_it(void **state)
{
    struct rw_incident *incident = bare(2);

    (void)state;
    linked(incident, 100, "read", "pipe", "data", 100);
    waits(incident, 101, "sleep", -1);
    rw_diagnose(incident);
    assert_string_not_equal(incident->verdict.class_name, "pipe");
    talloc_free(incident);
}

static void a_listener_waits_for_anybody(void **state)
{
    struct rw_incident *incident = bare(1);

    (void)state;
    linked(incident, 100, "accept", "listener", "connection", 0)->is_complete = -1;
    rw_diagnose(incident);
    expect(incident, "idle", RW_INFERRED);
    talloc_free(incident);
}

static void an_event_that_a_handler_may_set_is_idle(void **state)
{
    struct rw_incident *incident = bare(1);

    (void)state;
    waits(incident, 100, "event", -1);
    incident->processes[0].has_handlers = 1;
    rw_diagnose(incident);
    expect(incident, "idle", RW_INFERRED);
    incident->processes[0].has_handlers = 0;
    rw_diagnose(incident);
    expect(incident, "no-signaller", RW_INFERRED);
    talloc_free(incident);
}

static void who_shares_the_memory_may_post(void **state)
{
    struct rw_incident *incident = bare(1);
    struct rw_channel *memory = linked(incident, 100, "semaphore", "memory", "post", 100);

    (void)state;
    rw_diagnose(incident);
    expect(incident, "no-signaller", RW_INFERRED);
    rw_channel_add_holder(incident, memory, 300, -1, "other");
    rw_diagnose(incident);
    assert_string_not_equal(incident->verdict.class_name, "no-signaller");
    talloc_free(incident);
}

static void an_owner_in_a_process_that_was_not_looked_at_is_no_orphan(void **state)
{
    struct rw_incident *incident = bare(1);

    (void)state;
    waits(incident, 100, "mutex", 301)->owner.pid = 300;
    rw_diagnose(incident);
    assert_string_not_equal(incident->verdict.class_name, "orphaned-lock");
    talloc_free(incident);
}

static void ten_thousand_that_wait_are_no_more_work_than_they_are(void **state)
{
    struct rw_incident *incident = bare(10000);

    (void)state;
    incident->processes[0].has_handlers = 0;
    for (int i = 0; i < 10000; i++)
        waits(incident, 100 + i, i % 2 ? "condition" : "join", i % 2 ? -1 : 100 + i + 1);
    rw_diagnose(incident);
    expect(incident, "no-signaller", RW_INFERRED);
    talloc_free(incident);
}

/* In a test, a thread waits for a pipe's end; a process that does nothing has its other end. */
static struct rw_incident *end_elsewhere(struct rw_channel **pipe)
{
    struct rw_incident *incident = rw_incident_new(NULL);

    incident->now_ns = 1000000000000;
    incident->trigger = "test-timeout";
    *pipe = linked(incident, PARENT, "read", "pipe", "data", CHILD);
    linked(incident, CHILD, "sleep", "other", "data", 0);
    rw_incident_find_process(incident, PARENT)->test = "test_x.py::test_a";
    return incident;
}

static void who_has_the_other_end_is_named_with_what_it_does(void **state)
{
    struct rw_channel *pipe;
    struct rw_incident *incident = end_elsewhere(&pipe);

    (void)state;
    rw_diagnose(incident);
    expect(incident, "other-process", RW_INFERRED);
    expect_in_sentence(incident, "; the other end is open in process 200 (peer), where ");
    assert_non_null(culprit(incident, CHILD));
    talloc_free(incident);
}

static void a_test_that_waits_for_a_busy_process_is_slow(void **state)
{
    struct rw_channel *pipe;
    struct rw_incident *incident = end_elsewhere(&pipe);
    struct rw_thread *busy = &rw_incident_find_process(incident, CHILD)->threads[0];

    (void)state;
    busy->waits_on = NULL;
    busy->moved = 1;
    busy->cpu_delta_s = 0.5;
    incident->between_looks_s = 1;
    rw_diagnose(incident);
    expect(incident, "slow", RW_INFERRED);
    assert_string_equal(incident->verdict.test, "test_x.py::test_a");
    expect_in_sentence(incident,
                       "waits in read on fd 3 (the other end is open in process 200 (peer)); meanwhile ");
    expect_in_sentence(incident, "makes progress: it used 50 % of a processor");
    assert_non_null(culprit(incident, PARENT));
    assert_non_null(culprit(incident, CHILD));
    talloc_free(incident);
}

static void a_test_that_waits_for_a_sleeping_process_is_not_called_idle(void **state)
{
    struct rw_channel *pipe;
    struct rw_incident *incident = end_elsewhere(&pipe);

    (void)state;
    rw_incident_find_process(incident, CHILD)->threads[0].waits_on->has_deadline = true;
    rw_diagnose(incident);
    expect(incident, "other-process", RW_INFERRED);
    assert_string_equal(incident->verdict.test, "test_x.py::test_a");
    assert_non_null(culprit(incident, CHILD));
    talloc_free(incident);
}

static void none_of_several_is_blamed_for_an_end(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct rw_channel *pipe;
        struct rw_incident *incident = end_elsewhere(&pipe);

        if (i == 0) /* it could write to itself */
            rw_channel_add_holder(incident, pipe, PARENT, 5, "itself");
        else if (i == 1)
            rw_channel_add_holder(incident, pipe, CHILD + 1, 5, "other");
        else if (i == 2) /* somebody who cannot be seen may have it */
            pipe->is_complete = 0;
        else /* a poll of two, of which anybody may bring the other */
            rw_wait_add_channel(incident, thread_of(incident, PARENT)->waits_on, "listener", "connection");
        rw_diagnose(incident);
        assert_string_not_equal(incident->verdict.class_name, "other-process");
        assert_null(culprit(incident, CHILD));
        talloc_free(incident);
    }
}

/* In a test, the main thread waits for an event; `readers` threads wait for what anybody may send. */
static struct rw_incident *event_and_readers(int readers)
{
    struct rw_incident *incident = bare(1 + readers);

    incident->trigger = "test-timeout";
    incident->processes[0].test = "test_x.py::test_a";
    thread_of(incident, 100)->is_main = true;
    waits(incident, 100, "event", -1);
    for (int i = 0; i < readers; i++) {
        struct rw_wait_on *wait = waits(incident, 101 + i, "read", -1);

        wait->call = "read";
        rw_wait_add_channel(incident, wait, "terminal", "data");
    }
    rw_diagnose(incident);
    assert_string_equal(incident->verdict.class_name, "unknown");
    return incident;
}

static void the_few_who_could_still_end_it_are_named(void **state)
{
    struct rw_incident *incident = event_and_readers(1);

    (void)state;
    expect_in_sentence(incident, "; only thread 101, which waits in read");
    expect_in_sentence(incident, ", could still end this wait.");
    assert_null(culprit(incident, 101));
    talloc_free(incident);

    incident = event_and_readers(3);
    expect_in_sentence(incident, "; why this does not end is not known.");
    talloc_free(incident);
}

/* What only the process itself could send: its other thread might, were it not in accept. */
static void who_has_the_other_end_in_the_same_process_is_named(void **state)
{
    static const bool sees_all[] = {true, false};

    (void)state;
    for (size_t i = 0; i < sizeof sees_all / sizeof *sees_all; i++) {
        struct rw_incident *incident = bare(2);
        struct rw_wait_on *wait = waits(incident, 100, "recv", -1);
        struct rw_channel *own = rw_wait_add_channel(incident, wait, "tcp", "data");

        incident->processes[0].test = "test_x.py::test_a";
        thread_of(incident, 100)->is_main = true;
        thread_of(incident, 100)->moved = 0;
        own->is_complete = 1;
        own->note = sees_all[i] ? NULL : "processes of other users are hidden (hidepid)";
        rw_channel_add_holder(incident, own, 100, 5, "itself");
        wait = waits(incident, 101, "accept", -1);
        wait->call = "accept";
        rw_wait_add_channel(incident, wait, "listener", "connection");
        rw_diagnose(incident);
        assert_string_equal(incident->verdict.class_name, "unknown");
        expect_in_sentence(incident, sees_all[i] ? "; only thread 101, which waits in accept, could still"
                                                 : "hidden (hidepid); why this does not end is not known.");
        talloc_free(incident);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_that_fills_the_pipe_of_its_waiting_parent),
        cmocka_unit_test(a_ring_begins_with_the_process_that_did),
        cmocka_unit_test(who_is_not_seen_may_read),
        cmocka_unit_test(who_was_not_looked_at_may_read),
        cmocka_unit_test(who_has_moved_may_read),
        cmocka_unit_test(a_parent_with_other_threads_may_still_read),
        cmocka_unit_test(a_hidden_process_makes_it_less_sure),
        cmocka_unit_test(a_pipe_to_oneself_stays_empty),
        cmocka_unit_test(another_thread_may_write_to_it),
        cmocka_unit_test(a_listener_waits_for_anybody),
        cmocka_unit_test(an_event_that_a_handler_may_set_is_idle),
        cmocka_unit_test(who_shares_the_memory_may_post),
        cmocka_unit_test(an_owner_in_a_process_that_was_not_looked_at_is_no_orphan),
        cmocka_unit_test(the_few_who_could_still_end_it_are_named),
        cmocka_unit_test(who_has_the_other_end_in_the_same_process_is_named),
        cmocka_unit_test(who_has_the_other_end_is_named_with_what_it_does),
        cmocka_unit_test(a_test_that_waits_for_a_busy_process_is_slow),
        cmocka_unit_test(a_test_that_waits_for_a_sleeping_process_is_not_called_idle),
        cmocka_unit_test(none_of_several_is_blamed_for_an_end),
        cmocka_unit_test(ten_thousand_that_wait_are_no_more_work_than_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
