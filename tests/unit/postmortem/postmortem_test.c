/* SPDX-License-Identifier: MIT */
/* What can be told when all that is left is a session's folder. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <talloc.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/recording/make_recording.h"
#include "tools/incident/model.h"
#include "tools/postmortem/postmortem.h"

struct fixture {
    char *folder;
    struct made made;
    struct rw_incident *incident;
    const char *all_ended;
    int gone_pid; /* a process that has ended */
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->folder = make_folder();
    make_rich_recording(&fixture->made);
    fixture->gone_pid = fork();
    if (fixture->gone_pid == 0)
        _exit(0);
    waitpid(fixture->gone_pid, NULL, 0);
    fixture->made.header->pid = fixture->gone_pid;
    fixture->made.slots[0].slot.tid = fixture->gone_pid;
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

static void path_of(const struct fixture *fixture, const char *name, char path[4096])
{
    snprintf(path, 4096, "%s/%s", fixture->folder, name);
}

static void write_as(struct fixture *fixture, const char *name)
{
    char path[4096];
    path_of(fixture, name, path);
    write_recording(&fixture->made, path, SIZE_MAX);
}

static void save_own_maps(struct fixture *fixture, const char *name)
{
    char path[4096], buffer[4096];
    path_of(fixture, name, path);
    FILE *from = fopen("/proc/self/maps", "re"), *to = fopen(path, "we");
    assert_non_null(from);
    assert_non_null(to);
    for (size_t length; (length = fread(buffer, 1, sizeof(buffer), from)) > 0;)
        assert_int_equal(fwrite(buffer, 1, length, to), length);
    fclose(from);
    fclose(to);
}

static struct rw_process_info *examine(struct fixture *fixture)
{
    char *why;
    talloc_free(fixture->incident);
    assert_int_equal(rw_postmortem(fixture->folder, NULL, &fixture->incident, &fixture->all_ended, &why), 0);
    assert_null(why);
    assert_string_equal(fixture->incident->trigger, "post-mortem");
    assert_int_equal(fixture->incident->process_count, 1);
    return &fixture->incident->processes[0];
}

static bool has_note(const char *const *notes, size_t count, const char *part)
{
    for (size_t i = 0; i < count; i++) {
        if (strstr(notes[i], part) != NULL)
            return true;
    }
    return false;
}

static bool process_has_note(const struct rw_process_info *process, const char *part)
{
    return has_note((const char *const *)process->notes, process->note_count, part);
}

/* Copies this thread's registers and stack into the slot's capture, as a thread does that is about to block.
 */
static __attribute__((noinline)) void capture_here(struct rw_slot_area *area)
{
    struct rw_capture *capture = &area->slot.capture;
    uint64_t *registers = capture->registers;
    __asm__ volatile("movq %%rbx, 24(%0)\n\t"
                     "movq %%rbp, 48(%0)\n\t"
                     "movq %%rsp, 56(%0)\n\t"
                     "movq %%r12, 96(%0)\n\t"
                     "movq %%r13, 104(%0)\n\t"
                     "movq %%r14, 112(%0)\n\t"
                     "movq %%r15, 120(%0)\n\t"
                     "leaq 0(%%rip), %%rax\n\t"
                     "movq %%rax, 128(%0)"
                     :
                     : "r"(registers)
                     : "rax", "memory");
    capture->by = RW_CAPTURE_WAIT;
    capture->time_ns = area->slot.since_ns;
    capture->stack_address = registers[7];
    capture->stack_length = 2048;
    volatile const unsigned char *from = (const unsigned char *)registers[7];
    for (unsigned i = 0; i < capture->stack_length; i++)
        area->stack[i] = from[i];
}

static __attribute__((noinline)) void waits_in_the_inner(struct rw_slot_area *area)
{
    capture_here(area);
    __asm__ volatile("" ::: "memory"); /* no tail call */
}

static __attribute__((noinline)) void waits_in_the_outer(struct rw_slot_area *area)
{
    waits_in_the_inner(area);
    __asm__ volatile("" ::: "memory");
}

static void a_killed_process_still_has_its_stacks(void **state)
{
    struct fixture *fixture = *state;
    waits_in_the_outer(&fixture->made.slots[0]);
    write_as(fixture, "1.rec");
    save_own_maps(fixture, "1.maps");
    const struct rw_process_info *process = examine(fixture);
    assert_int_equal(process->pid, fixture->gone_pid);
    assert_false(process->is_alive);
    assert_true(process_has_note(process, "killed or crashed: no exit was begun"));
    assert_string_equal(fixture->incident->test, "test_a.py::test_two");

    const struct rw_thread *main_thread = &process->threads[0];
    assert_string_equal(main_thread->state, "waiting");
    assert_false(main_thread->is_alive);
    assert_string_equal(main_thread->stack_source, "recording");
    size_t inner = SIZE_MAX, outer = SIZE_MAX;
    for (size_t i = 0; i < main_thread->native_count; i++) {
        const char *function = main_thread->native[i].function;
        if (function != NULL && strcmp(function, "waits_in_the_inner") == 0)
            inner = i;
        if (function != NULL && strcmp(function, "waits_in_the_outer") == 0)
            outer = i;
    }
    assert_true(inner < outer && outer < SIZE_MAX);
    assert_non_null(main_thread->native[inner].module);
    assert_string_equal(main_thread->waits_on->kind, "join");

    const struct rw_thread *worker = rw_process_find_thread(process, 4001);
    assert_string_equal(worker->stack_source, "none");
    assert_string_equal(worker->stack_note, "no copy of its stack is in the recording");
}

static void a_stack_of_another_wait_is_not_shown(void **state)
{
    struct fixture *fixture = *state;
    waits_in_the_outer(&fixture->made.slots[0]);
    fixture->made.slots[0].slot.capture.time_ns -= 5;
    write_as(fixture, "1.rec");
    save_own_maps(fixture, "1.maps");
    const struct rw_thread *main_thread = &examine(fixture)->threads[0];
    assert_int_equal(main_thread->native_count, 0);
    assert_string_equal(main_thread->stack_note, "its last stack copy is of an earlier wait");

    /* In a loop of equal waits with a deadline not each turn is copied. */
    fixture->made.slots[0].slot.wait.flags = RW_WAIT_HAS_DEADLINE;
    write_as(fixture, "1.rec");
    main_thread = &examine(fixture)->threads[0];
    assert_true(main_thread->native_count >= 3);
    assert_non_null(strstr(main_thread->stack_note, "copied at an equal wait"));

    fixture->made.slots[0].slot.state = RW_THREAD_RUNNING;
    write_as(fixture, "1.rec");
    assert_int_equal(examine(fixture)->threads[0].native_count, 0);
}

static void without_maps_the_calls_address_is_left(void **state)
{
    struct fixture *fixture = *state;
    write_as(fixture, "1.rec");
    const struct rw_process_info *process = examine(fixture);
    assert_true(process_has_note(process, "no map of its memory was saved"));
    assert_int_equal(process->threads[0].native_count, 1);
    assert_int_equal(process->threads[0].native[0].pc, 0x401234);
}

static void now_is_the_last_moment_known(void **state)
{
    struct fixture *fixture = *state;
    const char *const *notes;
    write_as(fixture, "1.rec");
    examine(fixture);
    notes = (const char *const *)fixture->incident->notes;
    assert_int_equal(fixture->incident->now_ns, MADE_START_NS + 5 * MADE_S);
    assert_true(fixture->incident->realtime_s > 1700000004.9 && fixture->incident->realtime_s < 1700000005.1);
    assert_true(has_note(notes, fixture->incident->note_count, "how long it stayed so is not known"));

    fixture->made.header->monitor_seen_ns = MADE_START_NS + 300 * MADE_S;
    write_as(fixture, "1.rec");
    examine(fixture);
    assert_int_equal(fixture->incident->now_ns, MADE_START_NS + 300 * MADE_S);
    notes = (const char *const *)fixture->incident->notes;
    assert_true(has_note(notes, fixture->incident->note_count,
                         "when the monitor last looked, at 2023-11-14 22:18:20 UTC"));
}

static void one_that_ended_in_order_has_no_threads(void **state)
{
    struct fixture *fixture = *state;
    fixture->made.header->exit_begin_ns = MADE_START_NS + 6 * MADE_S;
    fixture->made.header->exit_tid = 4002;
    fixture->made.header->exit_status = 7;
    write_as(fixture, "1.rec");
    const struct rw_process_info *process = examine(fixture);
    assert_int_equal(process->thread_count, 0);
    assert_true(process->history_count > 0);
    assert_true(process_has_note(process, "it ended in order, with exit status 7"));
    assert_string_equal(fixture->all_ended, "every recorded process ended in order");

    fixture->made.header->exit_tid = fixture->gone_pid; /* which waits */
    write_as(fixture, "1.rec");
    process = examine(fixture);
    assert_true(process->thread_count > 0);
    assert_true(process_has_note(process, "it was killed while it ended"));
    assert_null(fixture->all_ended);
}

static void one_whose_threads_are_cut_off_is_not_said_to_have_ended(void **state)
{
    struct fixture *fixture = *state;
    char path[4096];
    path_of(fixture, "1.rec", path);
    write_recording(&fixture->made, path, fixture->made.header->slot_offset);
    const struct rw_process_info *process = examine(fixture);
    assert_int_equal(process->thread_count, 0);
    assert_null(fixture->all_ended);
    assert_true(process_has_note(process, "the recording is truncated"));
}

static void an_exec_makes_the_newest_image_the_process(void **state)
{
    struct fixture *fixture = *state;
    struct rw_header *header = fixture->made.header;
    strcpy(header->executable, "/bin/first");
    header->exec_ns = MADE_START_NS + 6 * MADE_S;
    write_as(fixture, "2.rec");
    strcpy(header->executable, "/bin/second");
    header->exec_ns = 0;
    header->created_ns += 7 * MADE_S;
    write_as(fixture, "1.rec");
    const struct rw_process_info *process = examine(fixture);
    assert_string_equal(process->name, "second");
    assert_true(process_has_note(process, "the process was first before"));
}

static void a_process_that_runs_is_said_to_run(void **state)
{
    struct fixture *fixture = *state;
    struct timespec boottime;
    clock_gettime(CLOCK_BOOTTIME, &boottime);
    fixture->made.header->pid = getpid();
    fixture->made.header->created_boottime_ns =
        (uint64_t)boottime.tv_sec * MADE_S + (uint64_t)boottime.tv_nsec;
    write_as(fixture, "1.rec");
    assert_false(examine(fixture)->is_alive); /* our number, but we do not have it mapped: somebody else's */

    char path[4096];
    path_of(fixture, "1.rec", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED);
    close(fd);
    const struct rw_process_info *process = examine(fixture);
    assert_true(process->is_alive);
    assert_true(process_has_note(process, "it still runs"));
    munmap(map, 4096);
}

static void what_cannot_be_read_is_said(void **state)
{
    struct fixture *fixture = *state;
    const char *all_ended;
    char *why, path[4096];
    struct rw_incident *incident;
    assert_int_equal(rw_postmortem("/nonexistent", NULL, &incident, &all_ended, &why), -ENOENT);
    assert_string_equal(why, "No such file or directory");
    talloc_free(why);
    assert_int_equal(rw_postmortem(fixture->folder, NULL, &incident, &all_ended, &why), -ENOENT);
    assert_string_equal(why, "there are no recordings in it");
    talloc_free(why);

    path_of(fixture, "9.rec", path);
    write_recording(&fixture->made, path, 100);
    assert_int_equal(rw_postmortem(fixture->folder, NULL, &incident, &all_ended, &why), -ENOENT);
    assert_null(incident);
    assert_non_null(strstr(why, "9.rec: truncated: 100 bytes"));
    talloc_free(why);

    write_as(fixture, "1.rec");
    examine(fixture);
    assert_true(has_note((const char *const *)fixture->incident->notes, fixture->incident->note_count,
                         "9.rec: truncated: 100 bytes"));
    assert_null(fixture->all_ended);
    fixture->made.header->exit_begin_ns = MADE_START_NS + 6 * MADE_S;
    write_as(fixture, "1.rec");
    examine(fixture);
    assert_non_null(strstr(fixture->all_ended, "9.rec: truncated: 100 bytes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_killed_process_still_has_its_stacks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stack_of_another_wait_is_not_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_maps_the_calls_address_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(now_is_the_last_moment_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_ended_in_order_has_no_threads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_whose_threads_are_cut_off_is_not_said_to_have_ended, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_exec_makes_the_newest_image_the_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_process_that_runs_is_said_to_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_is_said, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
