/* SPDX-License-Identifier: MIT */
/* What a program does, and what its recording says of it. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/shim/run_subject.h"

static const struct rw_slot *slot_of(const struct recording *recording, unsigned index)
{
    return &recording->slots[index].slot;
}

static unsigned state_of(const struct recording *recording, unsigned index)
{
    return __atomic_load_n(&slot_of(recording, index)->state, __ATOMIC_ACQUIRE);
}

static bool both_wait_for_mutexes(const struct recording *recording)
{
    for (unsigned i = 0; i < 2; i++) {
        if (state_of(recording, i) != RW_THREAD_WAITING || slot_of(recording, i)->wait.kind != RW_WAIT_MUTEX)
            return false;
    }
    return true;
}

static bool stack_holds(const struct rw_slot_area *area, uint64_t address)
{
    for (uint32_t at = 0; at + 8 <= area->slot.capture.stack_length; at += 8) {
        if (memcmp(area->stack + at, &address, 8) == 0)
            return true;
    }
    return false;
}

static void deadlock_survives_sigkill(void **state)
{
    (void)state;
    pid_t pid = start_subject("deadlock");
    struct recording recording = open_recording(pid);
    await(&recording, both_wait_for_mutexes);
    kill_subject(pid);
    const struct rw_slot *main_thread = slot_of(&recording, 0), *other = slot_of(&recording, 1);
    assert_int_equal(recording.header->pid, pid);
    assert_non_null(strstr(recording.header->executable, "subject"));
    assert_int_equal(main_thread->tid, pid);
    assert_true(main_thread->flags & RW_SLOT_MAIN);
    assert_int_equal(main_thread->wait.object2, other->tid);
    assert_int_equal(other->wait.object2, main_thread->tid);
    assert_int_not_equal(main_thread->wait.object, other->wait.object);
    assert_string_equal(other->name, "second first");
    assert_int_equal(other->creator_tid, pid);
    assert_int_not_equal(other->since_ns, 0);
    for (unsigned i = 0; i < 2; i++) {
        const struct rw_slot *slot = slot_of(&recording, i);
        assert_int_equal(slot->sequence & 1, 0);
        assert_int_equal(slot->capture.by, RW_CAPTURE_WAIT);
        assert_int_equal(slot->capture.stack_whole, 1);
        assert_int_equal(slot->capture.stack_address, slot->capture.registers[7]);
        assert_true(stack_holds(&recording.slots[i], slot->wait.return_address));
    }
    close_recording(&recording);
}

static void runs_right(const char *name, int status)
{
    pid_t pid = start_subject(name);
    assert_int_equal(end_of_subject(pid), status);
}

static void waits_keep_their_meaning(void **state)
{
    (void)state;
    runs_right("semantics", 0);
    runs_right("versions", 0);
}

static void cancelled_waits_are_over(void **state)
{
    (void)state;
    pid_t pid = start_subject("cancel");
    assert_int_equal(end_of_subject(pid), 0);
    struct recording recording = open_recording(pid);
    unsigned cancelled = 0;
    for (unsigned i = 1; i < recording.header->slot_used; i++) {
        assert_int_equal(state_of(&recording, i), RW_THREAD_JOINED);
        cancelled += (slot_of(&recording, i)->flags & RW_SLOT_CANCELLED) != 0;
    }
    assert_true(cancelled > 0);
    close_recording(&recording);
}

static void slots_are_used_again(void **state)
{
    (void)state;
    pid_t pid = start_subject("threads");
    assert_int_equal(end_of_subject(pid), 0);
    struct recording recording = open_recording(pid);
    assert_in_range(recording.header->slot_used, 2, RW_SLOT_FIRST); /* of a thousand and one threads */
    assert_int_equal(recording.header->slots_refused, 0);
    assert_int_not_equal(recording.header->main_returned_ns, 0);
    for (unsigned i = 1; i < recording.header->slot_used; i++)
        assert_in_range(state_of(&recording, i), RW_THREAD_EXITED, RW_THREAD_DETACHED);
    close_recording(&recording);
}

static bool main_waits_for_semaphore(const struct recording *recording)
{
    return state_of(recording, 0) == RW_THREAD_WAITING &&
           slot_of(recording, 0)->wait.kind == RW_WAIT_SEMAPHORE;
}

static void fork_child_has_its_own(void **state)
{
    (void)state;
    pid_t pid = start_subject("fork"), child;
    struct recording recording = open_recording(pid);
    while ((child = other_recording(pid)) == 0)
        sched_yield();
    struct recording its = open_recording(child);
    await(&its, main_waits_for_semaphore);
    const struct rw_slot *slot = slot_of(&its, 0);
    assert_int_equal(its.header->ppid, pid);
    assert_int_equal(its.header->slot_used, 1);
    assert_int_equal(slot->tid, child);
    assert_int_equal(slot->lifecycle[0].kind, RW_EVENT_FORKED);
    assert_int_equal(slot->lifecycle[0].arg, pid);
    assert_int_equal(slot->lifecycle[0].object, 1); /* the thread that forked */
    assert_int_equal(slot->capture.stack_whole, 1);
    kill(child, SIGKILL);
    assert_int_equal(end_of_subject(pid), 0);
    const struct rw_slot *forker = slot_of(&recording, 1);
    bool is_seen = false;
    for (uint64_t i = 0; i < forker->lifecycle_written; i++)
        is_seen = is_seen ||
                  (forker->lifecycle[i].kind == RW_EVENT_FORK && (pid_t)forker->lifecycle[i].arg == child);
    assert_true(is_seen);
    close_recording(&its);
    close_recording(&recording);
}

static void no_child_that_is_not_the_programs(void **state)
{
    (void)state;
    pid_t pid = start_subject("wait_all");
    assert_int_equal(end_of_subject(pid), 0);
    struct recording recording = open_recording(pid);
    const struct rw_slot *slot = slot_of(&recording, 0);
    assert_int_equal(slot->lifecycle[0].kind, RW_EVENT_EXEC);
    assert_int_equal(slot->lifecycle[1].kind, RW_EVENT_EXEC_FAILED);
    assert_int_equal(slot->lifecycle[1].arg, 2);
    assert_int_equal(recording.header->exec_ns, 0);
    close_recording(&recording);
}

static void tests_are_known_by_name(void **state)
{
    (void)state;
    pid_t pid = start_subject("test");
    assert_int_equal(end_of_subject(pid), 128 + SIGKILL);
    struct recording recording = open_recording(pid);
    const struct rw_test *one = test_of(&recording, 0), *two = test_of(&recording, 1);
    assert_int_equal(recording.header->test_written, 2);
    assert_string_equal(one->name, "a.py::one[x (y)]");
    assert_int_not_equal(one->end_ns, 0);
    assert_int_equal(one->phase, RW_PHASE_NONE);
    assert_string_equal(two->name, "a.py::two");
    assert_int_equal(two->end_ns, 0);
    assert_int_equal(two->phase, RW_PHASE_SETUP);
    assert_string_equal(slot_of(&recording, 1)->test, "a.py::one[x (y)]");
    close_recording(&recording);
}

static const struct rw_account *account_of(const struct recording *recording, unsigned index)
{
    return (const struct rw_account *)(recording->base + recording->header->account_offset) + index;
}

static void what_a_test_leaves_is_told(void **state)
{
    (void)state;
    pid_t pid = start_subject("left");
    assert_int_equal(end_of_subject(pid), 0);
    struct recording recording = open_recording(pid);
    const struct rw_account *one = account_of(&recording, 0), *many = account_of(&recording, 1);
    assert_int_equal(recording.header->accounts_written, 2);
    assert_string_equal(recording.header->test, "");
    assert_string_equal(one->test, "a.py::leaves");
    assert_int_equal(one->number, 2);
    assert_int_equal(one->flags, 0);
    assert_int_equal(one->threads_begin, 1);
    assert_int_equal(one->threads_end, 2);
    assert_int_equal(one->threads_left, 1);
    const struct rw_slot *slot = slot_of(&recording, one->threads[0].slot);
    assert_string_equal(slot->test, "a.py::leaves");
    assert_int_equal(slot->generation, one->threads[0].generation);
    assert_int_equal(one->interpreters_left, 0);
    assert_int_equal(one->descriptors_end, one->descriptors_begin + 2);
    assert_int_equal(one->descriptors_left, 2);
    assert_int_equal(one->descriptors[0].access, O_RDONLY);
    assert_int_equal(one->descriptors[1].access, O_WRONLY);
    assert_non_null(strstr(one->descriptors[0].target, "pipe:["));
    assert_string_equal(one->descriptors[0].target, one->descriptors[1].target);
    assert_int_equal(one->descriptors[0].is_closed, 1);
    assert_int_equal(one->descriptors[1].is_closed, 0);
    assert_string_equal(many->test, "a.py::leaves many");
    assert_int_equal(many->threads_left, 0);
    assert_int_equal(many->descriptors_left, 10);
    close_recording(&recording);
    pid_t child = other_recording(pid);
    recording = open_recording(child);
    assert_string_equal(recording.header->test, "a.py::clean again");
    assert_int_equal(recording.header->accounts_written, 0);
    close_recording(&recording);
}

static bool has_answered(const struct recording *recording)
{
    const struct rw_capture *capture = &slot_of(recording, 0)->capture;
    return !(__atomic_load_n(&capture->sequence, __ATOMIC_ACQUIRE) & 1) &&
           capture->by == RW_CAPTURE_HANDLER && capture->request == 7;
}

static bool has_signal_and_waits(const struct recording *recording)
{
    return recording->header->capture_signal != 0 && main_waits_for_semaphore(recording);
}

static void captures_itself(const char *name)
{
    pid_t pid = start_subject(name);
    struct recording recording = open_recording(pid);
    await(&recording, has_signal_and_waits);
    assert_int_not_equal(recording.header->tracing_refused, 0);
    ((struct rw_header *)(uintptr_t)recording.header)->capture_request = 7;
    assert_int_equal(syscall(SYS_tgkill, pid, pid, recording.header->capture_signal), 0);
    await(&recording, has_answered);
    const struct rw_capture *capture = &slot_of(&recording, 0)->capture;
    assert_int_equal(capture->stack_whole, 1);
    assert_int_equal(capture->registers[7], capture->stack_address + 128);
    assert_true(stack_holds(&recording.slots[0], slot_of(&recording, 0)->wait.return_address));
    kill_subject(pid);
    close_recording(&recording);
}

static void untraceable_program_captures_itself(void **state)
{
    (void)state;
    captures_itself("undumpable");
}

static void program_outlives_what_it_does_to_its_recording(void **state)
{
    (void)state;
    assert_int_equal(end_of_subject(start_subject("confined")), 0);
    assert_int_equal(end_of_subject(start_subject("scribble")), 0);
}

static bool second_waits_for_semaphore(const struct recording *recording)
{
    return state_of(recording, 1) == RW_THREAD_WAITING &&
           slot_of(recording, 1)->wait.kind == RW_WAIT_SEMAPHORE;
}

/* The thread's begin tells it from a later one of the same number: not the moment of the taking, which is
 * later by as long as the thread had been there. */
static void taken_semaphore_has_its_thread(void **state)
{
    (void)state;
    pid_t pid = start_subject("semaphore_taken");
    struct recording recording = open_recording(pid);
    await(&recording, second_waits_for_semaphore);
    const struct rw_semaphore *held =
        (const struct rw_semaphore *)(recording.base + recording.header->semaphore_offset);
    const struct rw_slot *other = slot_of(&recording, 1);
    uint64_t begun_ms = (other->started_ns - recording.header->created_ns) / 1000000;
    unsigned by_main = 0, by_other = 0;
    for (unsigned i = 0; i < recording.header->semaphore_count; i++) {
        if (held[i].address == 0)
            continue;
        by_main += held[i].tid == pid && held[i].thread_ms == 0;
        by_other += held[i].address == other->wait.object && held[i].tid == other->tid &&
                    held[i].thread_ms <= begun_ms + 1;
    }
    assert_int_equal(by_main, 1);
    assert_int_equal(by_other, 1);
    kill_subject(pid);
    close_recording(&recording);
}

static void all_are_of(const struct recording *recording, pid_t pid, unsigned count)
{
    const struct rw_semaphore *held =
        (const struct rw_semaphore *)(recording->base + recording->header->semaphore_offset);
    unsigned found = 0;
    for (unsigned i = 0; i < recording->header->semaphore_count; i++) {
        if (held[i].address == 0)
            continue;
        assert_int_equal(held[i].tid, pid);
        for (unsigned j = 0; j < i; j++)
            assert_int_not_equal(held[j].address, held[i].address);
        found++;
    }
    assert_int_equal(found, count);
}

static void many_semaphores_have_one_entry_each(void **state)
{
    (void)state;
    pid_t pid = start_subject("many_semaphores"), child;
    struct recording recording = open_recording(pid);
    await(&recording, main_waits_for_semaphore);
    while ((child = other_recording(pid)) == 0)
        sched_yield();
    struct recording its = open_recording(child);
    await(&its, main_waits_for_semaphore);
    all_are_of(&recording, pid, 250);
    all_are_of(&its, child, 250); /* it was the forking thread that had them */
    kill_subject(pid);
    close_recording(&its);
    close_recording(&recording);
}

static void equal_waits_take_one_record(void **state)
{
    (void)state;
    pid_t pid = start_subject("many_waits");
    assert_int_equal(end_of_subject(pid), 0);
    struct recording recording = open_recording(pid);
    const struct rw_slot *slot = slot_of(&recording, 0);
    assert_int_equal(slot->waits_written, 1);
    assert_int_equal(slot->waits[0].count, 1000);
    assert_int_not_equal(slot->waits[0].end_ns, 0);
    close_recording(&recording);
}

int main(int count, char **arguments)
{
    if (count != 3) {
        fprintf(stderr, "usage: %s library subject\n", arguments[0]);
        return 2;
    }
    library_path = arguments[1];
    subject_path = arguments[2];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadlock_survives_sigkill),
        cmocka_unit_test(waits_keep_their_meaning),
        cmocka_unit_test(cancelled_waits_are_over),
        cmocka_unit_test(slots_are_used_again),
        cmocka_unit_test(fork_child_has_its_own),
        cmocka_unit_test(no_child_that_is_not_the_programs),
        cmocka_unit_test(tests_are_known_by_name),
        cmocka_unit_test(what_a_test_leaves_is_told),
        cmocka_unit_test(untraceable_program_captures_itself),
        cmocka_unit_test(taken_semaphore_has_its_thread),
        cmocka_unit_test(many_semaphores_have_one_entry_each),
        cmocka_unit_test(equal_waits_take_one_record),
        cmocka_unit_test(program_outlives_what_it_does_to_its_recording),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
