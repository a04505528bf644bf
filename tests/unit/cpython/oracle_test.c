/* SPDX-License-Identifier: MIT */
/*
 * Every Python that is found is asked where its threads are, and looked at from outside: both must say the
 * same, frame by frame. argv: the programs oracle.py, waits.py and spin.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <talloc.h>

#include "tests/unit/cpython/python_program.h"
#include "tools/incident/model.h"

#define SEED "1"
#define THREADS "40"

static const char *oracle_script, *waits_script, *spin_script;

/* The thread's frames of one interpreter against the lines "F line function\tfile"; the number of frames. */
static size_t compare_frames(const struct rw_thread *thread, int64_t interpreter, char **rest)
{
    size_t f = 0, compared = 0;
    while (*rest && **rest == 'F') {
        char *line = strsep(rest, "\n"), seen[8192] = "";
        while (f < thread->python_count && thread->python[f].interpreter != interpreter)
            f++;
        if (f < thread->python_count) {
            const struct rw_python_frame *frame = &thread->python[f++];
            snprintf(seen, sizeof seen, "F %d %s\t%s", frame->line, frame->function, frame->file);
            assert_false(frame->is_torn);
        }
        assert_string_equal(seen, line);
        compared++;
    }
    while (f < thread->python_count && thread->python[f].interpreter != interpreter)
        f++;
    assert_int_equal(f, thread->python_count);
    return compared;
}

/* Each evaluation loop on the native stack runs the frames of one chain, in order; none is left over. */
static void check_merge(const struct rw_thread *thread)
{
    size_t loops = 0, chains = 0;
    int before = -1;
    for (size_t i = 0; i < thread->native_count; i++)
        loops += thread->native[i].is_python_eval && !thread->native[i].is_inlined;
    /* Cut after its longest, or at load: not all of a stack can be had of a thread that was not stopped. */
    bool is_cut = thread->stack_note;
    assert_true(loops || !thread->native_count || is_cut);
    if (!loops)
        return;
    for (size_t i = 0; i < thread->python_count; i++) {
        const struct rw_python_frame *frame = &thread->python[i];
        if (is_cut && frame->native_index == -1)
            return;
        assert_in_range(frame->native_index, 0, thread->native_count - 1);
        assert_true(thread->native[frame->native_index].is_python_eval);
        assert_true(frame->native_index >= before);
        if (i && thread->python[i - 1].is_entry)
            assert_true(frame->native_index > before);
        before = frame->native_index;
        chains += frame->is_entry;
    }
    assert_int_equal(chains, loops);
}

static void compare(const struct rw_process_info *process, char *rest, const char *python)
{
    size_t frames = 0, threads = 0, merged = 0, subinterpreters = 0;
    while (rest && *rest && *rest != 'R') {
        char *line = strsep(&rest, "\n");
        int tid, interpreter;
        if (*line == 'V') {
            assert_string_equal(process->python, line + 2);
            continue;
        }
        assert_int_equal(sscanf(line, "T %d %d", &tid, &interpreter), 2);
        const struct rw_thread *thread = rw_process_find_thread(process, tid);
        assert_non_null(thread);
        assert_int_equal(thread->thread_state_count, 1);
        assert_int_equal(thread->thread_states[0].interpreter, interpreter);
        frames += compare_frames(thread, interpreter, &rest);
        check_merge(thread);
        merged += thread->native_count > 0;
        threads++;
        subinterpreters += interpreter != 0;
    }
    print_message("%s: %s, %zu threads, %zu frames, %zu with native stacks, %zu in a subinterpreter\n",
                  python, process->python, threads, frames, merged, subinterpreters);
    assert_true(threads > 0 && frames > threads);
}

static void every_frame_is_where_python_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < python_count; i++) {
        struct python_program program = start_python(pythons[i], oracle_script, SEED, THREADS);
        struct rw_incident *incident = look_at(&program);
        const struct rw_process_info *process = &incident->processes[0];
        assert_non_null(process->python);
        if (process->python_note)
            fail_msg("%s: %s", pythons[i], process->python_note);
        compare(process, program.lines, pythons[i]);
        talloc_free(incident);
        end_python(&program);
    }
}

/* All threads but the main one have had their outermost native frames taken away, as of one that did not stop
 * in time: their frames are still their own. */
static void who_has_a_cut_stack_loses_no_frames(void **state)
{
    (void)state;
    for (size_t i = 0; i < python_count; i++) {
        struct python_program program = start_python(pythons[i], oracle_script, SEED, THREADS);
        struct rw_incident *incident = look_at_cut_stacks(&program);
        compare(&incident->processes[0], program.lines, pythons[i]);
        talloc_free(incident);
        end_python(&program);
    }
}

static void check_wait(const struct rw_process_info *process, const char *line)
{
    int tid, owner, with_line;
    char kind[64], name[64], seen[512] = "no wait", taken[32];
    assert_int_equal(sscanf(line, "W %d\t%63[^\t]\t%63[^\t]\t%d\t%d", &tid, kind, name, &owner, &with_line),
                     5);
    const struct rw_thread *thread = rw_process_find_thread(process, tid);
    assert_non_null(thread);
    const struct rw_wait_on *wait = thread->waits_on;
    if (wait)
        snprintf(seen, sizeof seen, "W %d\t%s\t%s\t%d\t%d", tid, wait->kind, wait->name ? wait->name : "-",
                 wait->owner.tid > 0 ? wait->owner.tid : 0, with_line);
    assert_string_equal(seen, line);
    snprintf(taken, sizeof taken, ".py:%d", with_line);
    if (with_line) {
        assert_non_null(wait->owner.taken_at);
        assert_non_null(strstr(wait->owner.taken_at, taken));
    }
    assert_true(wait->owner.tid <= 0 || wait->owner.certainty != RW_UNKNOWN);
}

static void check_name(const struct rw_process_info *process, const char *line)
{
    int tid, is_daemon;
    char name[64];
    assert_int_equal(sscanf(line, "N %d\t%63[^\t]\t%d", &tid, name, &is_daemon), 3);
    const struct rw_thread *thread = rw_process_find_thread(process, tid);
    assert_non_null(thread);
    assert_string_equal(thread->name, name);
    assert_int_equal(thread->is_daemon, is_daemon);
}

static void every_wait_is_named_with_its_owner(void **state)
{
    (void)state;
    for (size_t i = 0; i < python_count; i++) {
        struct python_program program = start_python(pythons[i], waits_script, NULL, NULL);
        struct rw_incident *incident = look_at(&program);
        char *rest = program.lines, *line;
        size_t waits = 0;
        print_message("%s: %s\n", pythons[i], incident->processes[0].python);
        while ((line = strsep(&rest, "\n")) && *line != 'R') {
            if (*line == 'W')
                check_wait(&incident->processes[0], line);
            else
                check_name(&incident->processes[0], line);
            waits++;
        }
        assert_true(waits > 10);
        talloc_free(incident);
        end_python(&program);
    }
}

/* The state of the subinterpreter was made by the main thread, and runs on another one: up to 3.12 its own
 * word on its thread is wrong. Nobody may be said to wait for himself. True if the spinner was seen with the
 * GIL. */
static bool see_holder(const struct rw_process_info *process, int tid)
{
    const struct rw_thread *spinner = rw_process_find_thread(process, tid);
    assert_int_equal(process->interpreter_count, 2);
    assert_non_null(spinner);
    assert_true(spinner->python_count >= 2);
    assert_int_not_equal(spinner->python[0].interpreter, 0); /* inside */
    assert_int_equal(spinner->python[spinner->python_count - 1].interpreter, 0);
    assert_int_equal(spinner->thread_state_count, 2);
    for (size_t i = 0; i < process->thread_count; i++)
        if (process->threads[i].waits_on)
            assert_int_not_equal(process->threads[i].waits_on->owner.tid, process->threads[i].tid);
    for (size_t i = 0; i < 2; i++) {
        const struct rw_gil *gil = &process->interpreters[i].gil;
        if (strstr(process->python,
                   "free-threaded")) { /* nobody holds what is switched off; the spinner runs */
            assert_int_equal(gil->is_enabled, 0);
            assert_int_equal(gil->holder_tid, 0);
            if (!spinner->thread_states[0].is_attached && !spinner->thread_states[1].is_attached)
                return false;
        } else if (gil->holder_tid != tid) {
            return false;
        }
    }
    /* 3.8 and 3.9 tell only by the number of evaluation loops. */
    bool is_counted = !strncmp(process->python, "3.8.", 4) || !strncmp(process->python, "3.9.", 4);
    return process->interpreters[0].gil.certainty == (is_counted ? RW_INFERRED : RW_EXACT);
}

static void the_gil_is_held_by_the_thread_that_runs(void **state)
{
    (void)state;
    for (size_t i = 0; i < python_count; i++) {
        struct python_program program = start_python(pythons[i], spin_script, NULL, NULL);
        int tid, looks = 0;
        bool seen = false;
        assert_int_equal(sscanf(program.lines, "H %d", &tid), 1);
        for (; !seen && looks < 20; looks++) { /* others have it for a moment now and then */
            struct rw_incident *incident = look_at(&program);
            seen = see_holder(&incident->processes[0], tid);
            print_message("%s: %s\n", pythons[i], incident->processes[0].python);
            talloc_free(incident);
        }
        assert_true(seen);
        end_python(&program);
    }
}

/* Only native stacks tell who runs in a subinterpreter, up to 3.12. Without them it is not known, or known
 * otherwise. */
static void without_native_stacks_nobody_is_wronged(void **state)
{
    (void)state;
    for (size_t i = 0; i < python_count; i++) {
        struct python_program program = start_python(pythons[i], spin_script, NULL, NULL);
        struct rw_incident *incident = look_at_python_alone(&program);
        const struct rw_process_info *process = &incident->processes[0];
        const struct rw_thread *spinner;
        int tid;
        assert_int_equal(sscanf(program.lines, "H %d", &tid), 1);
        assert_null(process->python_note);
        spinner = rw_process_find_thread(process, tid);
        assert_non_null(spinner);
        assert_true(spinner->python_count >= 1);
        for (size_t t = 0; t < process->thread_count; t++)
            for (size_t f = 0; f < process->threads[t].python_count; f++)
                if (process->threads[t].python[f].interpreter != 0)
                    assert_int_equal(process->threads[t].tid, tid);
        /* The holder may be any thread for a moment; but that of the state inside is the spinner, or nobody
         * known. */
        for (size_t n = 0; n < process->interpreter_count; n++)
            for (size_t s = 0; s < process->interpreters[n].thread_state_count; s++)
                if (process->interpreters[n].id != 0 && process->interpreters[n].gil.holder_tid > 0 &&
                    process->interpreters[n].thread_states[s].address ==
                        process->interpreters[n].gil.holder_thread_state)
                    assert_int_equal(process->interpreters[n].gil.holder_tid, tid);
        print_message("%s: %s: %s\n", pythons[i], process->python,
                      spinner->python[0].interpreter ? "found"
                      : process->note_count          ? process->notes[0]
                                                     : "?");
        assert_true(spinner->python[0].interpreter || process->note_count);
        talloc_free(incident);
        end_python(&program);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_is_where_python_says),
        cmocka_unit_test(who_has_a_cut_stack_loses_no_frames),
        cmocka_unit_test(every_wait_is_named_with_its_owner),
        cmocka_unit_test(the_gil_is_held_by_the_thread_that_runs),
        cmocka_unit_test(without_native_stacks_nobody_is_wronged),
    };
    if (argc < 4)
        return 2;
    oracle_script = argv[1];
    waits_script = argv[2];
    spin_script = argv[3];
    return cmocka_run_group_tests(tests, find_pythons, forget_pythons);
}
