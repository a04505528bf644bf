/* SPDX-License-Identifier: MIT */
/* The rules that ask for a look, on recordings made by hand of a process that does nothing; time is what the
 * test says. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <talloc.h>

#include "tests/unit/monitor/scratch.h"
#include "tests/unit/recording/make_recording.h"
#include "tools/monitor/progress.h"
#include "tools/monitor/triggers.h"

#define SLOTS 8

struct stage {
    char *folder;
    pid_t pid;
    struct made made;
    struct rw_options *options;
    struct rw_watch *watch;
    struct rw_watched *watched;
    struct rw_triggers triggers;
    char path[512];
    uint64_t now_ns;
};

/* Writes the recording as it is now over what it was, as the shim does: in place, and with new sequence
 * numbers. */
static void show(struct stage *stage)
{
    int fd = open(stage->path, O_WRONLY | O_CREAT, 0600);
    for (unsigned i = 0; i < SLOTS; i++)
        stage->made.slots[i].slot.sequence += 2;
    for (unsigned i = 0; i < RW_TEST_MAX; i++)
        stage->made.tests[i].sequence += 2;
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, stage->made.bytes, stage->made.size, 0), stage->made.size);
    close(fd);
}

static void look_at(struct stage *stage, double s)
{
    stage->now_ns = MADE_START_NS + (uint64_t)(s * 1e9);
    rw_watch_update(stage->watch, stage->now_ns, true);
    stage->watched = rw_watch_find(stage->watch, stage->pid);
    assert_non_null(stage->watched);
    assert_int_equal(rw_progress_update(stage->watched, stage->now_ns), 0);
}

static enum rw_trigger due(struct stage *stage, struct rw_want *want)
{
    return rw_triggers_next(&stage->triggers, stage->watch, stage->now_ns, want) ? want->trigger
                                                                                 : RW_TRIGGER_NONE;
}

/* Looks ten times a second from `from` to `to`; what is due first, and when. */
static enum rw_trigger first_due(struct stage *stage, double from, double to, double *when)
{
    struct rw_want want;
    for (double s = from; s < to; s += 0.1) {
        look_at(stage, s);
        enum rw_trigger trigger = due(stage, &want);
        *when = s;
        if (trigger != RW_TRIGGER_NONE)
            return trigger;
    }
    return RW_TRIGGER_NONE;
}

static int set_up(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    struct timespec boot;
    stage->folder = make_scratch();
    stage->pid = fork();
    if (stage->pid == 0)
        for (;;)
            pause();
    make_recording(&stage->made, SLOTS);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    stage->made.header->pid = stage->pid;
    stage->made.header->created_boottime_ns = (uint64_t)(boot.tv_sec + 1) * MADE_S;
    stage->made.header->created_ns = MADE_START_NS;
    snprintf(stage->path, sizeof(stage->path), "%s/%d-%llx.rec", stage->folder, (int)stage->pid,
             (unsigned long long)MADE_START_NS);
    stage->options = rw_options_new(NULL);
    stage->watch = rw_watch_new(NULL, stage->folder);
    rw_triggers_init(&stage->triggers, stage->options, MADE_START_NS);
    *state = stage;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *stage = *state;
    kill(stage->pid, SIGKILL);
    waitpid(stage->pid, NULL, 0);
    talloc_free(stage->watch);
    talloc_free(stage->options);
    free_recording(&stage->made);
    remove_scratch(stage->folder);
    free(stage);
    return 0;
}

static struct rw_slot *waiting(struct stage *stage, unsigned index, int tid, enum rw_wait_kind kind,
                               uint64_t object, double since)
{
    struct rw_slot *slot = make_thread(&stage->made, index, tid, RW_THREAD_WAITING, "t");
    slot->pthread = 0x7000u + (unsigned)tid;
    slot->wait = (struct rw_wait){.kind = kind, .object = object, .return_address = 0x400000};
    slot->since_ns = MADE_START_NS + (uint64_t)(since * 1e9);
    return slot;
}

static void a_circle_of_joins_is_seen_at_once(void **state)
{
    struct stage *stage = *state;
    double when;
    struct rw_want want;
    waiting(stage, 0, 11, RW_WAIT_JOIN, 0x7000 + 12, 1);
    waiting(stage, 1, 12, RW_WAIT_JOIN, 0x7000 + 13, 1);
    waiting(stage, 2, 13, RW_WAIT_JOIN, 0x7000 + 11, 1.1);
    show(stage);
    assert_int_equal(first_due(stage, 1.1, 3, &when), RW_TRIGGER_CYCLE);
    assert_true(when < 1.5);
    look_at(stage, when + 0.1);
    assert_int_not_equal(due(stage, &want), RW_TRIGGER_CYCLE); /* once */
}

/* A look may miss what is there, on a busy machine; nothing new will ever block to ask for another. */
static void a_circle_that_a_look_missed_is_looked_at_again(void **state)
{
    struct stage *stage = *state;
    double when;
    struct rw_want want;
    waiting(stage, 0, 11, RW_WAIT_JOIN, 0x7000 + 12, 1);
    waiting(stage, 1, 12, RW_WAIT_JOIN, 0x7000 + 11, 1);
    show(stage);
    assert_int_equal(first_due(stage, 1.1, 3, &when), RW_TRIGGER_CYCLE);
    want = (struct rw_want){.trigger = RW_TRIGGER_CYCLE, .pid = stage->pid};
    rw_triggers_done(&stage->triggers, stage->watch, &want, false, 0, stage->now_ns);
    bool again = false;
    for (double s = when + 0.1; s < when + 3 && !again; s += 0.1) {
        look_at(stage, s);
        again = due(stage, &want) == RW_TRIGGER_CYCLE;
    }
    assert_true(again);
    rw_triggers_done(&stage->triggers, stage->watch, &want, true, 0, stage->now_ns);
    for (double s = when + 3; s < when + 10; s += 0.1) {
        look_at(stage, s);
        assert_int_not_equal(due(stage, &want), RW_TRIGGER_CYCLE); /* it has been told */
    }
}

static void a_chain_is_no_circle(void **state)
{
    struct stage *stage = *state;
    waiting(stage, 0, 11, RW_WAIT_JOIN, 0x7000 + 12, 1);
    waiting(stage, 1, 12, RW_WAIT_JOIN, 0x7000 + 13, 1);
    make_thread(&stage->made, 2, 13, RW_THREAD_RUNNING, "t");
    show(stage);
    look_at(stage, 2);
    assert_int_equal(rw_find_circle(stage->watch, stage->now_ns, 0), 0);
}

/* Python's conditions take a lock twice, and another thread releases it: nothing is wrong with that. */
static void a_semaphore_of_ones_own_is_no_circle(void **state)
{
    struct stage *stage = *state;
    waiting(stage, 0, 11, RW_WAIT_SEMAPHORE, 0x5000, 1);
    for (size_t i = 0; i < RW_SEMAPHORE_MAX; i++)
        stage->made.semaphores[i] = (struct rw_semaphore){.address = 0x5000, .tid = 11};
    show(stage);
    look_at(stage, 2);
    assert_int_equal(rw_find_circle(stage->watch, stage->now_ns, 0), 0);
    for (size_t i = 0; i < RW_SEMAPHORE_MAX; i++)
        stage->made.semaphores[i].tid = 12; /* another's, who waits for us: that is one */
    waiting(stage, 1, 12, RW_WAIT_JOIN, 0x7000 + 11, 1);
    show(stage);
    look_at(stage, 2.1);
    assert_int_equal(rw_find_circle(stage->watch, stage->now_ns, 0), stage->pid);
}

static void who_has_a_deadline_is_not_in_a_circle(void **state)
{
    struct stage *stage = *state;
    waiting(stage, 0, 11, RW_WAIT_JOIN, 0x7000 + 12, 1);
    waiting(stage, 1, 12, RW_WAIT_JOIN, 0x7000 + 11, 1)->wait.flags = RW_WAIT_HAS_DEADLINE;
    show(stage);
    look_at(stage, 2);
    assert_int_equal(rw_find_circle(stage->watch, stage->now_ns, 0), 0);
}

static void early_looks_become_rare(void **state)
{
    struct stage *stage = *state;
    struct rw_want want;
    unsigned looks = 0;
    struct rw_slot *slot = waiting(stage, 0, 11, RW_WAIT_COND, 0x5000, 0);
    for (double s = 1; s < 61; s += 0.5) {
        slot->since_ns = MADE_START_NS + (uint64_t)((s - 0.6) * 1e9); /* always another wait */
        slot->transitions++;
        show(stage);
        look_at(stage, s);
        if (due(stage, &want) == RW_TRIGGER_EARLY) {
            looks++;
            rw_triggers_done(&stage->triggers, stage->watch, &want, false, 100000000, stage->now_ns);
        }
    }
    assert_in_range(looks, 3, 8); /* 1 + 2 + 4 + 8 + 16 + 32 s */
}

static void a_long_test_is_due_and_then_backs_off(void **state)
{
    struct stage *stage = *state;
    struct rw_want want;
    double when;
    make_test(&stage->made, 1, "t.py::test_a", MADE_START_NS + 5 * MADE_S, 0);
    show(stage);
    assert_int_equal(first_due(stage, 6, 100, &when), RW_TRIGGER_TEST);
    assert_true(when > 64.9 && when < 65.2);
    assert_int_equal(due(stage, &want), RW_TRIGGER_TEST);
    assert_false(want.is_explicit);
    rw_triggers_done(&stage->triggers, stage->watch, &want, false, 0, stage->now_ns);
    assert_int_equal(first_due(stage, when, when + 20, &when), RW_TRIGGER_NONE);
    assert_int_equal(first_due(stage, when, when + 40, &when), RW_TRIGGER_TEST);
    due(stage, &want);
    rw_triggers_done(&stage->triggers, stage->watch, &want, true, 0, stage->now_ns);
    assert_int_equal(first_due(stage, when, when + 150, &when), RW_TRIGGER_NONE); /* told once */
}

static void nothing_moves_for_the_limit(void **state)
{
    struct stage *stage = *state;
    char *why;
    double when;
    rw_options_set(stage->options, "timeout", "20", &why);
    waiting(stage, 0, 11, RW_WAIT_COND, 0x5000, 0)->wait.flags = RW_WAIT_HAS_DEADLINE;
    show(stage);
    look_at(stage, 1);
    stage->made.header->progress++;
    show(stage);
    look_at(stage, 10);
    /* A thread that waits for the same thing with a time-out again and again gets nowhere. */
    for (double s = 11; s < 29; s += 1) {
        stage->made.slots[0].slot.transitions++;
        show(stage);
        assert_int_equal(first_due(stage, s, s + 0.5, &when), RW_TRIGGER_NONE);
    }
    assert_int_equal(first_due(stage, 29, 40, &when), RW_TRIGGER_STILL);
    assert_true(when > 29.8 && when < 30.3);
}

static void a_finished_process_has_a_grace(void **state)
{
    struct stage *stage = *state;
    double when;
    stage->made.header->main_returned_ns = MADE_START_NS + 2 * MADE_S;
    show(stage);
    assert_int_equal(first_due(stage, 3, 30, &when), RW_TRIGGER_EXIT);
    assert_true(when > 11.9 && when < 12.3);
}

static void a_finalised_interpreter_is_no_exit(void **state)
{
    struct stage *stage = *state;
    double when;
    stage->made.header->finalize_begin_ns = MADE_START_NS + 2 * MADE_S;
    stage->made.header->finalize_end_ns = MADE_START_NS + 3 * MADE_S;
    show(stage);
    assert_int_equal(first_due(stage, 3, 40, &when), RW_TRIGGER_NONE);
    stage->made.header->finalize_end_ns = 0;
    show(stage);
    assert_int_equal(first_due(stage, when, 60, &when), RW_TRIGGER_EXIT);
}

static void a_slow_destroy_is_due(void **state)
{
    struct stage *stage = *state;
    double when;
    struct rw_slot *slot = make_thread(&stage->made, 0, 11, RW_THREAD_RUNNING, "t");
    slot->interpreter_call = (struct rw_interpreter_call){
        .op = RW_OP_DESTROY, .depth = 1, .interpreter = 0x1000, .since_ns = MADE_START_NS + 4 * MADE_S};
    show(stage);
    assert_int_equal(first_due(stage, 5, 30, &when), RW_TRIGGER_EXIT);
    assert_true(when > 13.9 && when < 14.3);
}

static void a_deadline_has_its_margin(void **state)
{
    struct stage *stage = *state;
    char *why;
    double when;
    rw_options_set(stage->options, "deadline", "30", &why);
    rw_triggers_init(&stage->triggers, stage->options, MADE_START_NS);
    show(stage);
    assert_int_equal(first_due(stage, 1, 60, &when), RW_TRIGGER_DEADLINE);
    assert_true(when > 24.9 && when < 25.3);
    assert_int_equal(first_due(stage, when, 60, &when), RW_TRIGGER_NONE);
}

static void the_killed_are_told_from_those_that_ended(void **state)
{
    struct stage *stage = *state;
    struct rw_want want;
    make_test(&stage->made, 1, "t.py::test_a", MADE_START_NS, 0)->tid = 11;
    waiting(stage, 0, 11, RW_WAIT_MUTEX, 0x5000, 1);
    show(stage);
    look_at(stage, 2);
    assert_false(
        rw_triggers_gone(stage->watched, true, stage->now_ns, &want)); /* blocked for a moment only */
    look_at(stage, 9);
    assert_true(rw_triggers_gone(stage->watched, true, stage->now_ns, &want));
    assert_int_equal(want.trigger, RW_TRIGGER_GONE);
    stage->made.header->exit_begin_ns = MADE_START_NS + 8 * MADE_S;
    show(stage);
    look_at(stage, 10);
    assert_false(rw_triggers_gone(stage->watched, true, stage->now_ns, &want));
}

static void another_process_of_that_number_is_not_ours(void **state)
{
    struct stage *stage = *state;
    stage->made.header->created_boottime_ns = 1; /* before the process was started */
    show(stage);
    rw_watch_update(stage->watch, MADE_START_NS, true);
    assert_null(rw_watch_find(stage->watch, stage->pid));
    assert_int_equal(rw_watch_living(stage->watch), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_circle_of_joins_is_seen_at_once),
        CASE(a_circle_that_a_look_missed_is_looked_at_again),
        CASE(a_chain_is_no_circle),
        CASE(a_semaphore_of_ones_own_is_no_circle),
        CASE(who_has_a_deadline_is_not_in_a_circle),
        CASE(early_looks_become_rare),
        CASE(a_long_test_is_due_and_then_backs_off),
        CASE(nothing_moves_for_the_limit),
        CASE(a_finished_process_has_a_grace),
        CASE(a_finalised_interpreter_is_no_exit),
        CASE(a_slow_destroy_is_due),
        CASE(a_deadline_has_its_margin),
        CASE(the_killed_are_told_from_those_that_ended),
        CASE(another_process_of_that_number_is_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
