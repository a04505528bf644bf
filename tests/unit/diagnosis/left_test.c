/* SPDX-License-Identifier: MIT */
/* What is said of threads, interpreters, processes and descriptors that an earlier test left behind. */
#include "tests/unit/diagnosis/cases.h"
#include "tools/incident/accounts.h"

#define EARLIER "test_x.py::test_a"
#define RUNNING "test_x.py::test_b"

/* The main thread, in a test, waits for a lock; the keeper holds it and waits for ever. */
static struct rw_incident *held_lock(const char *made_in_test)
{
    struct rw_incident *incident = bare(2);

    incident->processes[0].test = RUNNING;
    thread_of(incident, 100)->is_main = true;
    thread_of(incident, 101)->name = "keeper";
    thread_of(incident, 101)->created_in_test = made_in_test;
    waits(incident, 100, "lock", 101);
    waits(incident, 101, "event", -1);
    rw_diagnose(incident);
    return incident;
}

static bool has_evidence(const struct rw_incident *incident, const char *text)
{
    for (size_t i = 0; i < incident->verdict.evidence_count; i++)
        if (strstr(incident->verdict.evidence[i], text))
            return true;
    return false;
}

static void the_test_that_left_the_owner_is_named(void **state)
{
    (void)state;
    struct rw_incident *incident = held_lock(EARLIER);
    const char *said = "'keeper' (tid 101) was left by " EARLIER;

    expect_in_sentence(incident, said);
    assert_true(
        has_evidence(incident, "'keeper' (tid 101) was left by " EARLIER "; " RUNNING " hangs on it"));
    talloc_free(incident);
}

static void a_thread_of_the_test_itself_is_not_left(void **state)
{
    (void)state;
    const char *const made[] = {RUNNING, "", NULL};

    for (size_t i = 0; i < 3; i++) {
        struct rw_incident *incident = held_lock(made[i]);

        assert_null(strstr(incident->verdict.sentence, "was left by"));
        assert_false(has_evidence(incident, "was left by"));
        talloc_free(incident);
    }
}

static void a_thread_that_nobody_hangs_on_is_not_told(void **state)
{
    (void)state;
    struct rw_incident *incident = bare(2);

    incident->processes[0].test = RUNNING;
    thread_of(incident, 101)->created_in_test = EARLIER;
    waits(incident, 100, "lock", 100);
    waits(incident, 101, "event", -1);
    rw_diagnose(incident);
    assert_string_equal(incident->verdict.class_name, "self-deadlock");
    assert_false(has_evidence(incident, "was left by"));
    talloc_free(incident);
}

/* The main thread reads from a pipe whose other end its own process has. */
static struct rw_channel *reads_from_itself(struct rw_incident *incident)
{
    struct rw_wait_on *wait = waits(incident, 100, "read", -1);
    struct rw_channel *channel = rw_wait_add_channel(incident, wait, "pipe", "data");

    incident->processes[0].test = RUNNING;
    incident->processes[0].tests_begun = 2;
    thread_of(incident, 100)->is_main = true;
    wait->fd = channel->fd = 6;
    channel->name = "pipe:[123]";
    channel->is_complete = 1;
    return channel;
}

static void leave_open(struct rw_incident *incident, int fd, const char *target, const char *access)
{
    struct rw_test_account *account = rw_process_add_account(incident, &incident->processes[0], EARLIER);

    rw_account_add_descriptor(incident, account, &(struct rw_left_open){fd, target, access});
}

static void the_test_that_left_the_other_end_open_is_named(void **state)
{
    (void)state;
    /* The channel names another descriptor of the same end. */
    static const int holders[] = {7, 5};

    for (size_t i = 0; i < 2; i++) {
        struct rw_incident *incident = bare(1);

        rw_channel_add_holder(incident, reads_from_itself(incident), 100, holders[i], "python3");
        leave_open(incident, 6, "pipe:[123]", "read");
        leave_open(incident, 7, "pipe:[123]", "write");
        rw_diagnose(incident);
        assert_string_equal(incident->verdict.class_name, "pipe");
        expect_in_sentence(incident, "; fd 7 (pipe:[123], to write) was left by " EARLIER ".");
        assert_true(has_evidence(incident, "was left by " EARLIER "; " RUNNING " hangs on it"));
        assert_false(has_evidence(incident, "fd 6"));
        talloc_free(incident);
    }
}

static void a_descriptor_of_something_else_is_not_named(void **state)
{
    (void)state;
    struct rw_incident *incident = bare(1);

    rw_channel_add_holder(incident, reads_from_itself(incident), 100, 5, "python3");
    leave_open(incident, 8, "pipe:[124]", "write");
    rw_diagnose(incident);
    assert_false(has_evidence(incident, "was left by"));
    talloc_free(incident);
}

/* A process that some other one started in a test, and in which a thread waits for ever. */
static struct rw_incident *waits_for_process(const char *started_in)
{
    struct rw_incident *incident = bare(1);
    struct rw_wait_on *wait = waits(incident, 100, "process", -1);
    struct rw_channel *channel = rw_wait_add_channel(incident, wait, "process", "exit");
    struct rw_process_info *child = rw_incident_add_process(incident, 200);
    struct rw_thread *thread = rw_process_thread(incident, child, 200);

    rw_channel_add_holder(incident, channel, 200, -1, "worker");
    channel->is_complete = 1;
    incident->processes[0].test = RUNNING;
    incident->processes[0].tests_begun = 2;
    child->ppid = 1; /* it was left by a process in between */
    child->started_by = 100;
    child->name = "worker";
    child->is_alive = true;
    child->started_in_test = started_in;
    thread->is_alive = true;
    thread->is_main = true;
    thread->state = "waiting";
    thread->os_state = 'S';
    rw_thread_wait_on(incident, thread)->kind = "event";
    rw_accounts_complete(incident);
    rw_diagnose(incident);
    return incident;
}

static void the_test_that_left_the_process_is_named(void **state)
{
    (void)state;
    struct rw_incident *incident = waits_for_process(EARLIER);
    const struct rw_test_account *account = rw_process_find_account(&incident->processes[0], EARLIER);

    expect_in_sentence(incident, "process 200 (worker) was left by " EARLIER);
    assert_true(has_evidence(incident, "was left by " EARLIER "; " RUNNING " hangs on it"));
    assert_non_null(account);
    assert_int_equal(account->child_count, 1);
    assert_int_equal(account->children[0].pid, 200);
    talloc_free(incident);
}

static void a_process_of_the_test_itself_is_not_left(void **state)
{
    (void)state;
    static const char *const tests[] = {RUNNING, NULL};

    for (size_t i = 0; i < 2; i++) {
        struct rw_incident *incident = waits_for_process(tests[i]);

        assert_false(has_evidence(incident, "was left by"));
        assert_int_equal(incident->processes[0].test_count, 0);
        talloc_free(incident);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_test_that_left_the_owner_is_named),
        cmocka_unit_test(a_thread_of_the_test_itself_is_not_left),
        cmocka_unit_test(a_thread_that_nobody_hangs_on_is_not_told),
        cmocka_unit_test(the_test_that_left_the_other_end_open_is_named),
        cmocka_unit_test(a_descriptor_of_something_else_is_not_named),
        cmocka_unit_test(the_test_that_left_the_process_is_named),
        cmocka_unit_test(a_process_of_the_test_itself_is_not_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
