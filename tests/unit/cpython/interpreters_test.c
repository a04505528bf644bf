/* SPDX-License-Identifier: MIT */
/*
 * Interpreters and thread states at odd moments: with a GIL of their own, inside each other, being destroyed,
 * finalised under their threads' feet. argv: the program interpreters.py.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <talloc.h>

#include "tests/unit/cpython/python_program.h"
#include "tools/incident/model.h"

#define LOOKS 40

static const char *script;

/* What a moment must look like; `given` is the number that the program printed. True if it does. */
typedef bool moment_fn(const struct rw_process_info *process, char letter, int given);

static bool has_kind(const struct rw_thread *thread, const char *kind)
{
    return thread && thread->waits_on && thread->waits_on->kind && !strcmp(thread->waits_on->kind, kind);
}

static bool is_version(const struct rw_process_info *process, const char *prefix)
{
    return !strncmp(process->python, prefix, strlen(prefix));
}

static bool is_free_threaded(const struct rw_process_info *process)
{
    return strstr(process->python, "free-threaded") != NULL;
}

/* Looks until the moment is there: a program that says that it is ready still has to take its last step. */
static void see(const char *mode, moment_fn *is_seen)
{
    size_t seen = 0;
    for (size_t i = 0; i < python_count; i++) {
        struct python_program program = start_python(pythons[i], script, mode, NULL);
        char letter = 0;
        int given = 0, looks = 0;
        bool is_right = false;
        if (!strncmp(program.lines, "SKIP", 4)) {
            end_python(&program);
            continue;
        }
        sscanf(program.lines, "%c %d", &letter, &given);
        while (!is_right && looks++ < LOOKS) {
            const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
            struct rw_incident *incident = look_at(&program);
            is_right = incident->processes[0].python && is_seen(&incident->processes[0], letter, given);
            if (is_right || looks == LOOKS)
                print_message("%s: %s: %s, look %d\n", pythons[i], incident->processes[0].python,
                              incident->processes[0].python_note ? incident->processes[0].python_note : mode,
                              looks);
            talloc_free(incident);
            nanosleep(&pause, NULL);
        }
        if (!is_right)
            fail_msg("%s: %s was not seen", pythons[i], mode);
        end_python(&program);
        seen++;
    }
    if (!seen) {
        print_message("no Python here can do this\n");
        skip();
    }
}

static bool two_gils(const struct rw_process_info *process, char letter, int tid)
{
    const struct rw_interpreter_info *main_one = rw_process_find_interpreter(process, 0), *other = NULL;
    (void)letter;
    for (size_t i = 0; i < process->interpreter_count; i++)
        if (process->interpreters[i].id > 0)
            other = &process->interpreters[i];
    if (!main_one || !other)
        return false;
    if (is_free_threaded(process))
        return main_one->gil.is_enabled == 0 && other->gil.is_enabled == 0 && main_one->gil.holder_tid == 0;
    assert_false(other->shares_gil);
    assert_true(main_one->gil.address != other->gil.address);
    return main_one->gil.holder_tid == process->pid && other->gil.holder_tid == tid &&
           other->gil.certainty == RW_EXACT;
}

static void each_gil_has_its_own_holder(void **state)
{
    (void)state;
    see("own", two_gils);
}

/* The thread is in three interpreters, the one inside the other. 3.8 and 3.9 do not always tell; but never
 * wrongly. */
static bool three_inside_each_other(const struct rw_process_info *process, char letter, int tid)
{
    const struct rw_thread *thread = rw_process_find_thread(process, tid);
    size_t changes = 0;
    (void)letter;
    assert_int_equal(process->interpreter_count, 3);
    assert_int_equal(process->pending_signal_count, 0);
    assert_non_null(thread);
    for (size_t t = 0; t < process->thread_count; t++)
        for (size_t i = 0; i < process->threads[t].python_count; i++)
            if (process->threads[t].python[i].interpreter != 0)
                assert_ptr_equal(&process->threads[t], thread);
    for (size_t i = 1; i < thread->python_count; i++) {
        assert_true(thread->python[i].interpreter <= thread->python[i - 1].interpreter);
        changes += thread->python[i].interpreter != thread->python[i - 1].interpreter;
    }
    if (is_version(process, "3.8.") || is_version(process, "3.9."))
        return true;
    return changes == 2 && thread->thread_state_count == 3 && thread->python[0].interpreter == 2;
}

static void a_thread_may_be_in_several(void **state)
{
    (void)state;
    see("nested", three_inside_each_other);
}

static bool destroyed_by_main(const struct rw_process_info *process, char letter, int tid)
{
    const struct rw_thread *main_thread = rw_process_find_thread(process, tid);
    (void)letter;
    if (!has_kind(main_thread, "thread-join"))
        return false;
    const struct rw_thread *inside = rw_process_find_thread(process, main_thread->waits_on->owner.tid);
    assert_non_null(inside);
    assert_string_equal(inside->name, "inside");
    assert_int_equal(main_thread->waits_on->owner.certainty, RW_EXACT);
    /* From 3.14 its own flag is raised only after its threads were joined; till then only a recording tells.
     */
    bool has_flag = !is_version(process, "3.14.") && !is_version(process, "3.15.");
    for (size_t i = 0; i < process->interpreter_count; i++)
        if (process->interpreters[i].id > 0 && has_flag) {
            assert_true(process->interpreters[i].is_finalizing);
            assert_string_equal(process->interpreters[i].state, "destroying");
        } else {
            assert_false(process->interpreters[i].is_finalizing);
        }
    return process->interpreter_count == 2;
}

static void a_destroyer_waits_for_the_thread_inside(void **state)
{
    (void)state;
    see("destroying", destroyed_by_main);
}

static bool threads_are_parked(const struct rw_process_info *process, char letter, int count)
{
    int parked = 0;
    const struct rw_interpreter_info *main_one = rw_process_find_interpreter(process, 0);
    assert_int_equal(letter, 'D');
    if (!main_one || !main_one->is_finalizing)
        return false;
    for (size_t i = 0; i < process->thread_count; i++)
        parked +=
            has_kind(&process->threads[i], "thread-state") && process->threads[i].waits_on->owner.tid == 0;
    for (size_t i = 0; i < main_one->thread_state_count; i++)
        assert_true(main_one->thread_state_tids[i] == 0 ||
                    rw_process_find_thread(process, main_one->thread_state_tids[i])->is_alive);
    return parked == count;
}

static void finalisation_parks_threads_for_ever(void **state)
{
    (void)state;
    see("parked", threads_are_parked);
}

static bool main_waits_for_guard(const struct rw_process_info *process, char letter, int given)
{
    const struct rw_thread *thread = rw_process_find_thread(process, process->pid);
    (void)letter;
    (void)given;
    if (!has_kind(thread, "interpreter-guard"))
        return false;
    assert_string_equal(thread->waits_on->name, "1 guard of interpreter 0");
    assert_int_equal(thread->waits_on->owner.tid, -1);
    return true;
}

static void finalisation_waits_for_guards(void **state)
{
    (void)state;
    see("guarded", main_waits_for_guard);
}

static bool signals_wait_for_main(const struct rw_process_info *process, char letter, int given)
{
    static const struct {
        int number;
        const char *name;
    } sent[] = {{SIGINT, "SIGINT"}, {SIGUSR1, "SIGUSR1"}};
    (void)letter;
    (void)given;
    if (process->pending_signal_count != 2)
        return false;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(process->pending_signals[i].signal, sent[i].number);
        assert_string_equal(process->pending_signals[i].name, sent[i].name);
        assert_int_equal(process->pending_signals[i].tid, process->pid);
    }
    return true;
}

static void signals_that_no_handler_has_seen_are_named(void **state)
{
    (void)state;
    see("signalled", signals_wait_for_main);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_gil_has_its_own_holder),
        cmocka_unit_test(a_thread_may_be_in_several),
        cmocka_unit_test(a_destroyer_waits_for_the_thread_inside),
        cmocka_unit_test(finalisation_parks_threads_for_ever),
        cmocka_unit_test(finalisation_waits_for_guards),
        cmocka_unit_test(signals_that_no_handler_has_seen_are_named),
    };
    if (argc < 2)
        return 2;
    script = argv[1];
    return cmocka_run_group_tests(tests, find_pythons, forget_pythons);
}
