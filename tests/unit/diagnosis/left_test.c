/* SPDX-License-Identifier: MIT */
/* What is said of threads and interpreters that an earlier test left behind. */
#include "tests/unit/diagnosis/cases.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_test_that_left_the_owner_is_named),
        cmocka_unit_test(a_thread_of_the_test_itself_is_not_left),
        cmocka_unit_test(a_thread_that_nobody_hangs_on_is_not_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
