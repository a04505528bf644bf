/* SPDX-License-Identifier: MIT */
/* Runs of several processes: the answer is about the one that is stuck, not about who waits for it. */
#include "tests/unit/diagnosis/cases.h"

/* A process with one thread that waits. */
static struct rw_wait_on *add_process(struct rw_incident *incident, int pid, int ppid, const char *name,
                                      const char *kind)
{
    struct rw_process_info *process = rw_incident_add_process(incident, pid);
    struct rw_thread *thread = rw_process_thread(incident, process, pid);
    struct rw_wait_on *wait = rw_thread_wait_on(incident, thread);

    process->is_alive = true;
    process->ppid = ppid;
    process->name = name;
    process->has_handlers = 0;
    thread->is_alive = true;
    thread->os_state = 'S';
    thread->state = "waiting";
    wait->kind = kind;
    wait->since_ns = incident->now_ns - 5000000000;
    return wait;
}

static struct rw_incident *run_of(const char *parent_waits_in, const char *child_waits_in)
{
    struct rw_incident *incident = rw_incident_new(NULL);

    incident->now_ns = 1000000000000;
    incident->trigger = "no-progress";
    add_process(incident, 50, 1, "timeout", parent_waits_in);
    add_process(incident, 60, 50, "prog", child_waits_in);
    return incident;
}

static void expect_about(const struct rw_incident *incident, const char *class_name, int pid)
{
    if (strcmp(incident->verdict.class_name, class_name) != 0 || incident->verdict.culprits[0].pid != pid)
        print_error("%s: %s\n", incident->verdict.class_name, incident->verdict.sentence);
    assert_string_equal(incident->verdict.class_name, class_name);
    assert_int_equal(incident->verdict.culprits[0].pid, pid);
}

static void it_is_said_which_process_where_two_could_be_meant(void **state)
{
    (void)state;
    for (int is_python = 0; is_python <= 1; is_python++) {
        struct rw_incident *incident = run_of("process", "event");

        incident->processes[0].python = is_python ? "3.11.2" : NULL;
        rw_diagnose(incident);
        expect_about(incident, "no-signaller", 60);
        assert_int_equal(strncmp(incident->verdict.sentence, "In process 60", 13) == 0, is_python);
        talloc_free(incident);
    }
}

static void who_waits_for_a_child_never_comes_before_it(void **state)
{
    static const struct {
        const char *parent, *child, *class_name;
    } cases[] = {
        {"signal", "queue", "no-signaller"},   {"process", "event", "no-signaller"},
        {"process", "recv", "unknown"},        {"signal", "syscall", "unknown"},
        {"poll", "semaphore", "no-signaller"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rw_incident *incident = run_of(cases[i].parent, cases[i].child);

        /* A single peer's silence is no service. */
        if (strcmp(cases[i].child, "recv") == 0)
            incident->processes[1].test = "t.py::test_recv";
        rw_diagnose(incident);
        expect_about(incident, cases[i].class_name, 60);
        talloc_free(incident);
    }
}

static void an_idle_controller_is_no_answer_while_its_worker_tests(void **state)
{
    struct rw_incident *incident = run_of("poll", "recv");

    (void)state;
    incident->processes[1].test = "t.py::test_recv";
    rw_diagnose(incident);
    expect_about(incident, "unknown", 60);
    assert_string_equal(incident->verdict.test, "t.py::test_recv");
    talloc_free(incident);
}

static void who_runs_is_the_answer_also_if_it_has_children(void **state)
{
    struct rw_incident *incident = run_of("poll", "accept");
    struct rw_thread *parent = thread_of(incident, 50);

    (void)state;
    parent->waits_on = NULL;
    parent->os_state = 'R';
    parent->cpu_delta_s = 1;
    parent->same_calls = 1;
    parent->transitions_delta = 0;
    incident->between_looks_s = 1;
    rw_diagnose(incident);
    expect_about(incident, "spinning", 50);
    talloc_free(incident);
}

static void a_ring_in_the_parent_comes_before_what_its_child_does(void **state)
{
    struct rw_incident *incident = run_of("mutex", "accept");
    struct rw_wait_on *wait = thread_of(incident, 50)->waits_on;

    (void)state;
    wait->owner.tid = 50;
    wait->owner.certainty = RW_EXACT;
    rw_diagnose(incident);
    expect_about(incident, "self-deadlock", 50);
    talloc_free(incident);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_said_which_process_where_two_could_be_meant),
        cmocka_unit_test(who_waits_for_a_child_never_comes_before_it),
        cmocka_unit_test(an_idle_controller_is_no_answer_while_its_worker_tests),
        cmocka_unit_test(who_runs_is_the_answer_also_if_it_has_children),
        cmocka_unit_test(a_ring_in_the_parent_comes_before_what_its_child_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
