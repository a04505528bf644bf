/* SPDX-License-Identifier: MIT */
/* What two looks make of each other, and a look that goes wrong. */
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <talloc.h>

#include "tools/incident/model.h"
#include "tools/monitor/capture.h"
#include "tools/monitor/deltas.h"
#include "tools/monitor/worth.h"

#define S UINT64_C(1000000000)

/* Two threads that wait for each other's mutex, as a look at `now_ns` saw them. */
static struct rw_incident *look(uint64_t now_ns, uint64_t since_ns, double cpu_s, int64_t transitions)
{
    struct rw_incident *incident = rw_incident_new(NULL);
    incident->now_ns = now_ns;
    struct rw_process_info *process = rw_incident_add_process(incident, 10);
    incident->verdict.class_name = "cycle";
    for (int tid = 11; tid <= 12; tid++) {
        struct rw_thread *thread = rw_process_thread(incident, process, tid);
        struct rw_wait_on *wait = rw_thread_wait_on(incident, thread);
        thread->cpu_s = cpu_s;
        thread->transitions = transitions;
        wait->kind = "mutex";
        wait->object = 0x1000u + (unsigned)tid;
        wait->since_ns = since_ns;
        rw_verdict_culprit(incident, &incident->verdict, 10, thread, "waits", "it waits");
    }
    return incident;
}

static void standing_still_is_the_same_hang(void **state)
{
    (void)state;
    struct rw_incident *first = look(10 * S, 9 * S, 0.5, 40), *second = look(11 * S, 9 * S, 0.51, 40);
    rw_fill_deltas(second, first);
    const struct rw_thread *thread = rw_process_find_thread(&second->processes[0], 11);
    assert_true(thread->moved == 0 && thread->transitions_delta == 0);
    assert_true(thread->cpu_delta_s > 0.009 && thread->cpu_delta_s < 0.011);
    assert_true(second->between_looks_s == 1.0);
    assert_true(rw_is_same_hang(second, first));
    talloc_free(first);
    talloc_free(second);
}

/* Threads 11 and 12 have it by turns: what two looks see is the same holder, but not whether it was so all
 * the time. The number of switches tells. */
static struct rw_incident *look_at_gil(uint64_t now_ns, int holder, uint64_t switches)
{
    struct rw_incident *incident = look(now_ns, 9 * S, 0.5, 40);
    struct rw_gil *gil = &rw_process_interpreter(incident, &incident->processes[0], 0x5000)->gil;
    gil->address = 0x6000;
    gil->holder_tid = holder;
    gil->holder_thread_state = 0x7000u + (unsigned)holder;
    gil->switches = switches;
    return incident;
}

static void a_gil_is_kept_while_nobody_else_gets_it(void **state)
{
    (void)state;
    struct rw_incident *first = look_at_gil(10 * S, 11, 77), *kept = look_at_gil(11 * S, 11, 77),
                       *still = look_at_gil(12 * S, 11, 77), *back = look_at_gil(13 * S, 11, 79);
    rw_fill_deltas(kept, first);
    assert_true(kept->processes[0].interpreters[0].gil.kept_since_ns == 10 * S);
    rw_fill_deltas(still, kept);
    assert_true(still->processes[0].interpreters[0].gil.kept_since_ns == 10 * S);
    rw_fill_deltas(back, still);
    assert_true(back->processes[0].interpreters[0].gil.kept_since_ns == 0);
    struct rw_incident *all[] = {first, kept, still, back};
    for (size_t i = 0; i < 4; i++)
        talloc_free(all[i]);
}

static void what_moves_is_no_hang(void **state)
{
    (void)state;
    struct rw_incident *first = look(10 * S, 9 * S, 0.5, 40);
    struct rw_incident *others[] = {
        look(11 * S, 10 * S, 0.5, 40), /* the same lock, a later wait */
        look(11 * S, 9 * S, 0.9, 40),  /* it ran */
        look(11 * S, 9 * S, 0.5, 42),  /* it did something else in between */
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        rw_fill_deltas(others[i], first);
        assert_int_equal(rw_process_find_thread(&others[i]->processes[0], 11)->moved, 1);
        assert_false(rw_is_same_hang(others[i], first));
        talloc_free(others[i]);
    }
    struct rw_incident *other_class = look(11 * S, 9 * S, 0.5, 40);
    other_class->verdict.class_name = "slow";
    rw_fill_deltas(other_class, first);
    assert_false(rw_is_same_hang(other_class, first));
    talloc_free(other_class);
    talloc_free(first);
}

/* The GIL's waiters wake up every 5 ms and wait again: by the clock it is always another wait. */
static void waiting_for_the_gil_is_one_wait(void **state)
{
    (void)state;
    struct rw_incident *first = look(10 * S, 10 * S, 0.5, 40), *second = look(11 * S, 11 * S, 0.51, 240);
    for (int tid = 11; tid <= 12; tid++) {
        rw_process_find_thread(&first->processes[0], tid)->waits_on->kind = "gil";
        rw_process_find_thread(&second->processes[0], tid)->waits_on->kind = "gil";
    }
    rw_fill_deltas(second, first);
    assert_true(rw_is_same_hang(second, first));
    char *one = rw_hang_key(NULL, first, &first->verdict), *two = rw_hang_key(NULL, second, &second->verdict);
    assert_string_equal(one, two);
    talloc_free(one);
    talloc_free(two);
    talloc_free(first);
    talloc_free(second);
}

static void a_hang_has_one_name(void **state)
{
    (void)state;
    struct rw_incident *one = look(10 * S, 9 * S, 0, 1), *same = look(60 * S, 9 * S, 0, 1),
                       *later = look(60 * S, 50 * S, 0, 9);
    struct rw_culprit swapped = same->verdict.culprits[0];
    same->verdict.culprits[0] = same->verdict.culprits[1]; /* the circle told from its other end */
    same->verdict.culprits[1] = swapped;
    char *key = rw_hang_key(NULL, one, &one->verdict);
    assert_string_equal(key, rw_hang_key(same, same, &same->verdict));
    assert_string_equal(key, rw_hang_key(later, later, &later->verdict));
    later->test = "another";
    assert_string_equal(key, rw_hang_key(later, later, &later->verdict));
    later->verdict.test = "another";
    assert_string_not_equal(key, rw_hang_key(later, later, &later->verdict));
    talloc_free(key);
    talloc_free(one);
    talloc_free(same);
    talloc_free(later);
}

/* On a loaded machine a program may end between the looks. */
static void who_has_ended_in_order_was_not_stuck(void **state)
{
    static const enum rw_trigger triggers[] = {RW_TRIGGER_STILL, RW_TRIGGER_EXIT, RW_TRIGGER_TEST};
    const struct rw_options options = {.timeout = 2};
    struct rw_incident *incident = rw_incident_new(NULL);
    struct rw_process_info *process = rw_incident_add_process(incident, 10);
    incident->verdict.class_name = "unknown";
    (void)state;
    for (size_t i = 0; i < sizeof(triggers) / sizeof(triggers[0]); i++) {
        const struct rw_want want = {.trigger = triggers[i], .pid = 10};
        process->exit_begin_ns = 5 * S;
        assert_false(rw_is_worth_telling(&options, &want, incident, NULL));
        process->exit_begin_ns = 0; /* killed */
        assert_true(rw_is_worth_telling(&options, &want, incident, NULL));
    }
    talloc_free(incident);
}

static struct rw_capture_plan plan_for(const struct rw_capture_target *target, const char *command)
{
    return (struct rw_capture_plan){
        .targets = target,
        .target_count = 1,
        .trigger = "dump",
        .trigger_detail = "asked for",
        .command = command,
        .native = true,
        .python = true,
    };
}

/* A child that waits in pause, and does so already. */
static pid_t sleeper(void)
{
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    assert_true(child > 0);
    char path[32];
    int number = -1;
    snprintf(path, sizeof(path), "/proc/%d/syscall", (int)child);
    do {
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        if (fscanf(file, "%d", &number) != 1)
            sched_yield();
        fclose(file);
    } while (number != SYS_pause);
    return child;
}

static void end(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void wait_for(struct rw_capture_child *child)
{
    struct pollfd fd = {.fd = rw_capture_fd(child), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 20000), 1);
}

static void a_look_comes_back_whole(void **state)
{
    (void)state;
    void *scratch = talloc_new(NULL);
    struct rw_capture_target target = {.pid = sleeper()};
    struct rw_capture_plan plan = plan_for(&target, "a b");
    struct rw_capture_child *child = rw_capture_start(scratch, &plan);
    assert_non_null(child);
    wait_for(child);
    uint64_t cpu_ns = 0;
    char *why;
    struct rw_incident *incident = rw_capture_result(child, scratch, &cpu_ns, &why);
    assert_non_null(incident);
    assert_null(why);
    assert_true(cpu_ns > 0);
    assert_string_equal(incident->trigger, "dump");
    assert_string_equal(incident->command, "a b");
    assert_int_equal(incident->process_count, 1);
    const struct rw_thread *thread = rw_process_find_thread(&incident->processes[0], target.pid);
    assert_true(thread->native_count > 1);
    assert_string_equal(thread->waits_on->kind, "signal");
    end(target.pid);
    talloc_free(scratch);
}

static void a_look_that_is_stopped_says_so(void **state)
{
    (void)state;
    void *scratch = talloc_new(NULL);
    struct rw_capture_target target = {.pid = sleeper()};
    struct rw_capture_plan plan = plan_for(&target, NULL);
    struct rw_capture_child *child = rw_capture_start(scratch, &plan);
    assert_non_null(child);
    rw_capture_stop(child);
    uint64_t cpu_ns;
    char *why;
    assert_null(rw_capture_result(child, scratch, &cpu_ns, &why));
    assert_non_null(strstr(why, "too long"));
    talloc_free(child);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), 0); /* the sleeper lives, and no look is left */
    end(target.pid);
    talloc_free(scratch);
}

static void a_process_that_is_gone_is_a_note(void **state)
{
    (void)state;
    struct rw_capture_target target = {.pid = sleeper()};
    end(target.pid);
    struct rw_capture_plan plan = plan_for(&target, NULL);
    struct rw_incident *incident = rw_capture_now(NULL, &plan);
    assert_false(incident->processes[0].is_alive);
    assert_true(incident->processes[0].note_count > 0);
    talloc_free(incident);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standing_still_is_the_same_hang),
        cmocka_unit_test(what_moves_is_no_hang),
        cmocka_unit_test(a_gil_is_kept_while_nobody_else_gets_it),
        cmocka_unit_test(waiting_for_the_gil_is_one_wait),
        cmocka_unit_test(a_hang_has_one_name),
        cmocka_unit_test(who_has_ended_in_order_was_not_stuck),
        cmocka_unit_test(a_look_comes_back_whole),
        cmocka_unit_test(a_look_that_is_stopped_says_so),
        cmocka_unit_test(a_process_that_is_gone_is_a_note),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
