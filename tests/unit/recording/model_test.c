/* SPDX-License-Identifier: MIT */
/* What the model says of a recording. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <time.h>
#include <cmocka.h>

#include "tests/unit/recording/make_recording.h"
#include "tools/incident/model.h"
#include "tools/recording/model.h"

struct fixture {
    char *folder;
    char path[4096];
    struct made made;
    struct rw_incident *incident;
    struct rw_process_info *process;
    unsigned described; /* calls of describe() */
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->folder = make_folder();
    snprintf(fixture->path, sizeof(fixture->path), "%s/1.rec", fixture->folder);
    make_rich_recording(&fixture->made);
    fixture->incident = rw_incident_new(NULL);
    fixture->incident->now_ns = MADE_START_NS + 10 * MADE_S;
    fixture->process = rw_incident_add_process(fixture->incident, MADE_PID);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    talloc_free(fixture->incident);
    free_recording(&fixture->made);
    remove_folder(fixture->folder);
    free(fixture);
    return 0;
}

static const char *describe(void *ctx, uint64_t address, void *parent)
{
    ((struct fixture *)ctx)->described++;
    return address == 0x402000
               ? NULL
               : talloc_asprintf(parent, "f (made+0x%lx)", (unsigned long)(address - 0x400000));
}

static void fill(struct fixture *fixture)
{
    struct rw_reader *reader;
    char *why;
    write_recording(&fixture->made, fixture->path, SIZE_MAX);
    assert_int_equal(rw_reader_open(fixture->path, &reader, &why), 0);
    assert_int_equal(rw_recording_fill(fixture->incident, fixture->process, reader, describe, fixture), 0);
    rw_reader_close(reader);
}

static const struct rw_thread *thread(struct fixture *fixture, int tid)
{
    const struct rw_thread *found = rw_process_find_thread(fixture->process, tid);
    assert_non_null(found);
    return found;
}

static bool has_note(const struct fixture *fixture, const char *note)
{
    for (size_t i = 0; i < fixture->process->note_count; i++) {
        if (strcmp(fixture->process->notes[i], note) == 0)
            return true;
    }
    return false;
}

/* The last transition of that event in a history, as "detail". */
static const char *detail(const struct rw_transition *history, size_t count, const char *event)
{
    for (size_t i = count; i > 0; i--) {
        if (strcmp(history[i - 1].event, event) == 0)
            return history[i - 1].detail;
    }
    fail_msg("there is no %s", event);
    return NULL;
}

static void the_process_is_told(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    const struct rw_process_info *process = fixture->process;
    assert_string_equal(process->name, "made");
    assert_string_equal(process->test, "test_a.py::test_two");
    assert_string_equal(process->test_phase, "call");
    assert_string_equal(process->last_test, "test_a.py::test_one");
    assert_int_equal(process->tests_begun, 2);
    assert_true(has_note(fixture, "calls of Py_Exit are not seen"));
    assert_true(has_note(fixture, "the recorder: Py_Exit could not be patched (Permission denied)"));

    assert_int_equal(process->interpreter_count, 2);
    const struct rw_interpreter_info *interpreter = rw_process_find_interpreter(process, 3);
    assert_string_equal(interpreter->state, "destroying");
    assert_int_equal(interpreter->destroyer_tid, MADE_PID);
    assert_string_equal(interpreter->created_in_test, "test_a.py::test_two");
    assert_true(rw_process_find_interpreter(process, 0)->is_main);
}

static void threads_are_told_by_tid(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    const struct rw_process_info *process = fixture->process;
    assert_int_equal(process->thread_count,
                     4); /* main, worker, ended, the one that has not run; not the joined one */
    assert_null(rw_process_find_thread(process, 4003));
    assert_int_equal(process->threads[0].tid, MADE_PID);
    assert_true(process->threads[0].is_main);

    const struct rw_thread *worker = thread(fixture, 4001);
    assert_string_equal(worker->name, "worker-1");
    assert_string_equal(worker->state, "waiting");
    assert_true(worker->is_alive);
    assert_int_equal(worker->creator_tid, MADE_PID);
    assert_int_equal(worker->creator_interpreter, 3);
    assert_string_equal(worker->created_in_test, "test_a.py::test_two");
    assert_int_equal(worker->is_detached, 0);
    assert_false(thread(fixture, 4002)->is_alive);

    const struct rw_thread *main_thread = thread(fixture, MADE_PID);
    assert_string_equal(main_thread->interpreter_call, "destroy");
    assert_int_equal(main_thread->interpreter_call_id, 3);
}

static void waits_name_their_owner_and_how_it_is_known(void **state)
{
    struct fixture *fixture = *state;
    struct rw_slot *semaphore = make_thread(&fixture->made, 5, 4005, RW_THREAD_WAITING, "sem");
    semaphore->wait =
        (struct rw_wait){.kind = RW_WAIT_SEMAPHORE,
                         .object = 0x7777,
                         .flags = RW_WAIT_HAS_DEADLINE,
                         .clock = CLOCK_REALTIME,
                         .deadline_ns = fixture->made.header->created_realtime_ns + 12 * MADE_S};
    fill(fixture);
    const struct rw_wait_on *on = thread(fixture, 4001)->waits_on;
    assert_string_equal(on->kind, "mutex");
    assert_string_equal(on->name, "mutex 0x8000");
    assert_string_equal(on->call, "pthread_mutex_lock");
    assert_string_equal(on->evidence, "recording");
    assert_int_equal(on->owner.tid, MADE_PID);
    assert_int_equal(on->owner.certainty, RW_INFERRED);
    assert_string_equal(on->owner.how, "the mutex's owner field when the wait began");
    assert_int_equal(on->since_ns, MADE_START_NS + 3 * MADE_S);
    assert_false(on->has_deadline);

    on = thread(fixture, MADE_PID)->waits_on;
    assert_string_equal(on->kind, "join");
    assert_string_equal(on->name, "the end of thread 4001 'worker-1'");
    assert_int_equal(on->owner.tid, 4001);
    assert_int_equal(on->owner.certainty, RW_EXACT);

    on = thread(fixture, 4005)->waits_on;
    assert_string_equal(on->call, "sem_timedwait");
    assert_int_equal(on->owner.tid, 4001);
    assert_int_equal(on->owner.certainty, RW_INFERRED);
    assert_string_equal(on->owner.how, "took the semaphore last, and nobody has posted it since");
    assert_true(on->has_deadline);
    assert_true(on->deadline_in_s > 1.999 && on->deadline_in_s < 2.001);
}

static void nobody_is_blamed_without_evidence(void **state)
{
    struct fixture *fixture = *state;
    fixture->made.slots[1].slot.wait.object2 = 0;
    fixture->made.slots[0].slot.wait.object = 0x123456; /* nobody's pthread_t */
    fill(fixture);
    const struct rw_owner *owner = &thread(fixture, 4001)->waits_on->owner;
    assert_int_equal(owner->tid, -1);
    assert_int_equal(owner->certainty, RW_UNKNOWN);
    owner = &thread(fixture, MADE_PID)->waits_on->owner;
    assert_int_equal(owner->tid, -1);
    assert_int_equal(owner->certainty, RW_UNKNOWN);
}

static void the_story_is_in_words(void **state)
{
    struct fixture *fixture = *state;
    struct rw_slot *slot = &fixture->made.slots[0].slot;
    const uint64_t at = MADE_START_NS + 6 * MADE_S;
    make_event(slot, at, RW_EVENT_THREAD_CREATE, 0x9999,
               3 | UINT64_C(7) << 32); /* slot 3 is another generation's */
    make_event(slot, at + 1, RW_EVENT_THREAD_JOIN_END, 0x9999, 35);
    make_event(slot, at + 2, RW_EVENT_FORK, 0, 4711);
    make_event(slot, at + 3, RW_EVENT_SPAWN, 0, (uint64_t)-2);
    make_event(slot, at + 4, RW_EVENT_TEST_PHASE, RW_PHASE_CALL, 2);
    make_event(slot, at + 5, RW_EVENT_EXIT_BEGIN, 0, 3);
    make_event(slot, at + 6, (enum rw_event_kind)999, 0, 0);
    fill(fixture);
    const struct rw_thread *main_thread = thread(fixture, MADE_PID), *worker = thread(fixture, 4001);
    const struct rw_transition *story = main_thread->history;
    size_t count = main_thread->history_count;
    assert_string_equal(story[0].event, "thread-create");
    assert_string_equal(story[0].detail, "creates thread 4001 'worker-1'");
    assert_string_equal(story[0].where, "f (made+0x1234)");
    assert_string_equal(detail(story, count, "thread-create"),
                        "creates a thread that is gone (pthread_t 0x9999)");
    assert_string_equal(detail(story, count, "interpreter-destroy-begin"), "begins to destroy interpreter 3");
    assert_string_equal(detail(story, count, "join-begin"), "begins to join thread 4001 'worker-1'");
    assert_string_equal(
        detail(story, count, "join-end"),
        "joined a thread that is gone (pthread_t 0x9999): failed (Resource deadlock avoided)");
    assert_string_equal(detail(story, count, "wait"), "waits for the end of thread 4001 'worker-1'");
    assert_string_equal(detail(story, count, "fork"), "forked process 4711");
    assert_string_equal(detail(story, count, "spawn"), "spawned no process: No such file or directory");
    assert_string_equal(detail(story, count, "test-phase"),
                        "enters the call of test 2 'test_a.py::test_two'");
    assert_string_equal(story[count - 1].detail, "begins to exit, status 3");

    assert_string_equal(worker->history[0].detail, "starts in 0x402000");
    assert_string_equal(worker->history[1].detail, "waited for semaphore 0x7777 14 times within 900 ms");
    assert_string_equal(worker->history[2].detail, "waits for mutex 0x8000");
    assert_int_equal(worker->history[2].end_ns, 0);

    /* The process's story: lifecycle of all threads, in the order of time; waits are the threads' own. */
    uint64_t last = 0;
    for (size_t i = 0; i < fixture->process->history_count; i++) {
        assert_true(fixture->process->history[i].time_ns >= last);
        assert_string_not_equal(fixture->process->history[i].event, "wait");
        last = fixture->process->history[i].time_ns;
    }
    assert_int_equal(fixture->process->history[1].tid, 4001);
    assert_int_equal(fixture->described, 2); /* each address once */
}

static void a_tid_that_was_used_again_is_the_living_thread(void **state)
{
    struct fixture *fixture = *state;
    make_thread(&fixture->made, 5, 4002, RW_THREAD_RUNNING,
                "young"); /* 4002 ended before, and was not joined */
    fill(fixture);
    assert_int_equal(fixture->process->thread_count, 4);
    assert_string_equal(thread(fixture, 4002)->name, "young");
    assert_true(thread(fixture, 4002)->is_alive);
}

static void one_detached_after_its_end_is_gone(void **state)
{
    struct fixture *fixture = *state;
    fixture->made.slots[2].slot.flags |= RW_SLOT_DETACHED;
    fill(fixture);
    assert_null(rw_process_find_thread(fixture->process, 4002));
    assert_string_equal(detail(fixture->process->history, fixture->process->history_count, "thread-exit"),
                        "ends by pthread_exit or cancellation");
}

static void a_handle_that_was_used_again_is_resolved_by_time(void **state)
{
    struct fixture *fixture = *state;
    struct rw_slot *old = &fixture->made.slots[3].slot; /* joined at MADE_START_NS + 4 */
    struct rw_slot *young = make_thread(&fixture->made, 5, 4005, RW_THREAD_RUNNING, "young");
    young->pthread = old->pthread;
    young->created_ns = MADE_START_NS + 20 * MADE_S;
    struct rw_slot *slot = &fixture->made.slots[0].slot;
    make_event(slot, MADE_START_NS + 3, RW_EVENT_THREAD_JOIN_BEGIN, old->pthread, 0);
    make_event(slot, MADE_START_NS + 10 * MADE_S, RW_EVENT_THREAD_DETACH, old->pthread, 0);
    make_event(slot, MADE_START_NS + 21 * MADE_S, RW_EVENT_THREAD_JOIN_BEGIN, old->pthread, 0);
    fill(fixture);
    const struct rw_thread *main_thread = thread(fixture, MADE_PID);
    const struct rw_transition *story = main_thread->history;
    assert_string_equal(story[0].detail, "begins to join thread 4003 'joined'");
    assert_string_equal(detail(story, main_thread->history_count, "detach"),
                        "detaches a thread that is gone (pthread_t 0x7f0000003000)");
    assert_string_equal(detail(story, main_thread->history_count, "join-begin"),
                        "begins to join thread 4005 'young'");
}

static void every_number_has_its_word(void **state)
{
    (void)state;
    for (uint32_t i = RW_THREAD_NEW; i <= RW_THREAD_DETACHED; i++)
        assert_non_null(rw_thread_state_word(i));
    for (uint32_t i = RW_WAIT_MUTEX; i <= RW_WAIT_FORK; i++)
        assert_non_null(rw_wait_kind_word(i));
    for (uint32_t i = RW_EVENT_THREAD_CREATE; i <= RW_EVENT_WAIT; i++)
        assert_non_null(rw_event_word(i));
    for (uint32_t i = 0; i < RW_HOOK_COUNT; i++)
        assert_non_null(rw_hook_name(i));
    assert_null(rw_event_word(RW_EVENT_WAIT + 1));
    assert_null(rw_event_word(UINT32_MAX));
    assert_null(rw_event_word(RW_EVENT_NONE));
    assert_null(rw_hook_name(RW_HOOK_COUNT));
}

static const struct rw_test_account *account(const struct fixture *fixture)
{
    assert_int_equal(fixture->process->test_count, 1);
    return &fixture->process->tests[0];
}

static void what_tests_left_is_told(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    const struct rw_test_account *one = account(fixture);
    assert_string_equal(fixture->process->started_in_test, "outer.py::test_outer");
    assert_string_equal(one->test, "test_a.py::test_one");
    assert_int_equal(one->pid, MADE_PID);
    assert_int_equal(one->thread_count, 1);
    assert_int_equal(one->threads[0].tid, 4001);
    assert_string_equal(one->threads[0].name, "worker-1");
    assert_int_equal(one->interpreters[0].id, 3);
    assert_int_equal(one->descriptors[0].fd, 7);
    assert_string_equal(one->descriptors[0].target, "pipe:[123]");
    assert_string_equal(one->descriptors[0].access, "write");
    assert_int_equal(one->not_told, 0);
}

/* The last one of which all is known: a thread, that ended so long after its test. */
static void left_thread_ends(struct fixture *fixture, uint64_t after_ns)
{
    const uint64_t end_ns = MADE_START_NS + 3 * MADE_S;
    struct rw_account *made;
    fixture->made.header->accounts_written = 0;
    made = make_account(&fixture->made, "test_a.py::test_joins", end_ns - MADE_S, end_ns);
    make_left_thread(made, &fixture->made, 3);
    fixture->made.slots[3].slot.exited_ns = end_ns + after_ns;
    fill(fixture);
}

static void a_thread_on_its_way_out_was_not_left(void **state)
{
    struct fixture *fixture = *state;
    left_thread_ends(fixture, MADE_S / 100);
    assert_int_equal(fixture->process->test_count, 0);
}

static void a_thread_that_ended_later_was_left(void **state)
{
    struct fixture *fixture = *state;
    left_thread_ends(fixture, MADE_S);
    assert_int_equal(account(fixture)->threads[0].tid, 4003);
}

static void of_a_slot_used_again_nothing_is_known(void **state)
{
    struct fixture *fixture = *state;
    fixture->made.accounts[0].threads[0].generation++;
    fixture->made.accounts[0].interpreters_left = fixture->made.accounts[0].descriptors_left = 0;
    fill(fixture);
    assert_int_equal(fixture->process->test_count, 0);
}

static void what_is_too_much_is_counted(void **state)
{
    struct fixture *fixture = *state;
    fixture->made.accounts[0].descriptors_left = RW_LEFT_MAX + 5;
    fixture->made.accounts[0].flags = 0;
    fixture->made.accounts[0].descriptors_end = 20;
    fill(fixture);
    assert_int_equal(account(fixture)->descriptor_count, RW_LEFT_MAX);
    assert_int_equal(account(fixture)->not_told, 5);
    assert_int_equal(account(fixture)->descriptors_end, 20);
}

static void a_descriptor_that_was_closed_is_not_told(void **state)
{
    struct fixture *fixture = *state;
    fixture->made.accounts[0].descriptors[0].is_closed = 1;
    fill(fixture);
    assert_int_equal(account(fixture)->descriptor_count, 0);
}

static void an_account_that_was_overwritten_is_not_told(void **state)
{
    struct fixture *fixture = *state;
    fixture->made.accounts[0].index += RW_ACCOUNT_MAX;
    fill(fixture);
    assert_int_equal(fixture->process->test_count, 0);
}

static void descriptors_may_be_unknown(void **state)
{
    struct fixture *fixture = *state;
    fixture->made.accounts[0].flags = RW_ACCOUNT_NO_DESCRIPTORS;
    fixture->made.accounts[0].descriptors_left = 0;
    fill(fixture);
    assert_int_equal(account(fixture)->descriptors_begin, -1);
    assert_int_equal(account(fixture)->descriptors_end, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_process_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_are_told_by_tid, set_up, tear_down),
        cmocka_unit_test_setup_teardown(waits_name_their_owner_and_how_it_is_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_is_blamed_without_evidence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_story_is_in_words, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_tid_that_was_used_again_is_the_living_thread, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_detached_after_its_end_is_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_handle_that_was_used_again_is_resolved_by_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_tests_left_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_thread_on_its_way_out_was_not_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_thread_that_ended_later_was_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_a_slot_used_again_nothing_is_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_too_much_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_descriptor_that_was_closed_is_not_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_account_that_was_overwritten_is_not_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(descriptors_may_be_unknown, set_up, tear_down),
        cmocka_unit_test(every_number_has_its_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
