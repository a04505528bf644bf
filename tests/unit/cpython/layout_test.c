/* SPDX-License-Identifier: MIT */
/*
 * A layout that is wrong in one place must not be believed, or must not matter: whatever field is off, what
 * is said of a process is what the right layout says, or less, never something else. argv: the program
 * waits.py.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <talloc.h>

#include "tests/unit/cpython/python_program.h"
#include "tools/cpython/check.h"
#include "tools/cpython/cpython.h"
#include "tools/cpython/object.h"
#include "tools/incident/model.h"
#include "tools/snapshot/process.h"

#define NEWEST_MINOR 15

static const char *waits_script;

struct look {
    struct rw_incident *incident;
    struct rw_python py;
};

/* A look up to the choice of the layout. */
static struct look begin_look(const struct python_program *program)
{
    struct look look = {.incident = rw_incident_new(NULL)};
    struct rw_process_info *process = rw_incident_add_process(look.incident, program->pid);
    struct rw_image *image;
    assert_int_equal(rw_image_open(look.incident, program->pid, NULL, &image), 0);
    assert_int_equal(rw_snapshot_process(look.incident, process, image, NULL, NULL), 0);
    look.py = (struct rw_python){
        .incident = look.incident,
        .process = process,
        .memory = image->memory,
        .symbols = image->symbols,
        .maps = image->maps,
        .scratch = talloc_new(look.incident),
    };
    assert_true(rw_py_discover(&look.py));
    return look;
}

static void end_look(struct look *look)
{
    rw_py_forget(&look->py);
    talloc_free(look->incident);
}

static bool is_frame_of(const struct rw_thread *thread, const struct rw_python_frame *frame)
{
    for (size_t i = 0; i < thread->python_count; i++) {
        const struct rw_python_frame *right = &thread->python[i];
        if (right->line == frame->line && !strcmp(right->function, frame->function) &&
            !strcmp(right->file, frame->file))
            return true;
    }
    return false;
}

/* A wrong line is worse than none; torn frames and frames without a line claim nothing. */
static const char *wrong_frame(const struct rw_thread *right, const struct rw_thread *seen)
{
    for (size_t i = 0; i < seen->python_count; i++) {
        const struct rw_python_frame *frame = &seen->python[i];
        if (!frame->is_torn && frame->line && !is_frame_of(right, frame))
            return frame->function;
    }
    return NULL;
}

static bool is_wrong_wait(const struct rw_thread *right, const struct rw_thread *seen)
{
    const struct rw_wait_on *a = right->waits_on, *b = seen->waits_on;
    if (!a || !b || b->owner.tid <= 0)
        return false;
    return a->owner.tid != b->owner.tid || a->owner.certainty < b->owner.certainty;
}

static void compare(const struct rw_process_info *right, const struct rw_process_info *seen, const char *what)
{
    for (size_t i = 0; i < seen->thread_count; i++) {
        const struct rw_thread *thread = &seen->threads[i];
        const struct rw_thread *should = rw_process_find_thread(right, thread->tid);
        assert_non_null(should);
        const char *frame = wrong_frame(should, thread);
        if (frame)
            fail_msg("%s: thread %d is said to be in %s", what, thread->tid, frame);
        if (is_wrong_wait(should, thread))
            fail_msg("%s: thread %d is said to wait for %d", what, thread->tid, thread->waits_on->owner.tid);
        if (thread->is_daemon >= 0 && should->is_daemon >= 0 && thread->is_daemon != should->is_daemon)
            fail_msg("%s: thread %d has another daemon flag", what, thread->tid);
    }
}

/* Every offset is one word of the layout behind its head. */
static size_t word_count(void)
{
    return (sizeof(struct rw_layout) - offsetof(struct rw_layout, runtime)) / sizeof(uint32_t);
}

static void no_wrong_offset_is_believed(void **state)
{
    static const int32_t steps[] = {-8, 8, 16};
    (void)state;
    for (size_t p = 0; p < python_count; p++) {
        struct python_program program = start_python(pythons[p], waits_script, NULL, NULL);
        struct rw_incident *right = look_at(&program);
        size_t refused = 0, harmless = 0;
        for (size_t i = 0; i < word_count(); i++)
            for (size_t s = 0; s < sizeof steps / sizeof steps[0]; s++) {
                struct look look = begin_look(&program);
                uint32_t *word =
                             (uint32_t *)((char *)&look.py.layout + offsetof(struct rw_layout, runtime)) + i,
                         hex;
                char what[64];
                bool is_offset = *word != RW_NO_FIELD && (int64_t)*word + steps[s] >= 0;
                snprintf(what, sizeof what, "layout word %zu, %u%+d", i, *word, steps[s]);
                if (is_offset) {
                    *word = (uint32_t)((int32_t)*word + steps[s]);
                    if (rw_py_why_not(&look.py, &hex)) {
                        refused++;
                    } else {
                        rw_py_fill(&look.py);
                        compare(&right->processes[0], look.py.process, what);
                        harmless++;
                    }
                }
                end_look(&look);
            }
        print_message("%s: %s: %zu wrong layouts refused, %zu told nothing wrong\n", pythons[p],
                      right->processes[0].python, refused, harmless);
        assert_true(refused > harmless);
        talloc_free(right);
        end_python(&program);
    }
}

/* From 3.13 the offsets come from the process: of a version that nobody has seen yet, they are tried, and
 * refused with the reason when they do not fit. Everything else is as good as ever. */
static void offsets_of_a_process_are_checked_like_others(void **state)
{
    (void)state;
    for (size_t p = 0; p < python_count; p++) {
        struct python_program program = start_python(pythons[p], waits_script, NULL, NULL);
        struct look look = begin_look(&program);
        uint64_t runtime = look.py.runtime;
        bool has_offsets = look.py.layout.minor >= 13;
        uint8_t bytes[RW_DEBUG_OFFSETS_MAX];
        assert_int_equal(rw_py_read(&look.py, runtime, bytes, sizeof bytes), 0);
        end_look(&look);
        for (size_t word = 1; has_offsets && word < 110; word++) {
            struct rw_incident *incident = rw_incident_new(NULL);
            struct rw_process_info *process = rw_incident_add_process(incident, program.pid);
            struct rw_image *image;
            uint8_t changed[sizeof bytes];
            memcpy(changed, bytes, sizeof bytes);
            changed[word * 8 + (word == 1 ? 2 : 0)] ^= 24; /* word 1 is the version: another minor one */
            assert_int_equal(rw_image_open(incident, program.pid, NULL, &image), 0);
            assert_int_equal(rw_snapshot_process(incident, process, image, NULL, NULL), 0);
            image->memory = rw_memory_overlay(incident, image->memory, runtime, changed, sizeof changed);
            assert_int_equal(rw_cpython_inspect(incident, process, image, NULL), 0);
            assert_non_null(process->python);
            if (word == 1) {
                assert_non_null(process->python_note);
                print_message("%s: %s: %s\n", pythons[p], process->python, process->python_note);
            }
            if (process->python_note) { /* what needs no Python is all there */
                assert_int_equal(process->interpreter_count, 0);
                assert_true(process->thread_count > 20);
                assert_true(process->threads[0].native_count > 0 || process->threads[0].stack_note);
                for (size_t i = 0; i < process->thread_count; i++)
                    assert_int_equal(process->threads[i].python_count, 0);
            }
            talloc_free(incident);
        }
        end_python(&program);
    }
}

/* A process of the newest known version that says of itself, in both places, that it is the next one. */
static void a_version_that_nobody_has_seen_is_read_like_the_newest(void **state)
{
    size_t seen = 0;
    (void)state;
    for (size_t p = 0; p < python_count; p++) {
        struct python_program program = start_python(pythons[p], waits_script, NULL, NULL);
        struct rw_incident *right = look_at(&program);
        struct look look = begin_look(&program);
        uint64_t sys = rw_py_module_dict(&look.py, &look.py.interpreters[0], "sys");
        uint64_t number = rw_py_dict_get(&look.py, sys, "hexversion");
        uint64_t digits = number + look.py.layout.object.size + 8, runtime = look.py.runtime;
        uint32_t version[2], is_newest = look.py.layout.minor == NEWEST_MINOR;
        uint8_t offsets_version[8];
        assert_int_equal(rw_py_read(&look.py, digits, version, sizeof version), 0);
        assert_int_equal(rw_py_read(&look.py, runtime + 8, offsets_version, sizeof offsets_version), 0);
        end_look(&look);
        if (is_newest) {
            struct rw_incident *incident = rw_incident_new(NULL);
            struct rw_process_info *process = rw_incident_add_process(incident, program.pid);
            struct rw_image *image;
            version[0] += 1u << 16; /* digits have 30 bits */
            offsets_version[2]++;
            assert_int_equal(rw_image_open(incident, program.pid, NULL, &image), 0);
            assert_int_equal(rw_snapshot_process(incident, process, image, NULL, NULL), 0);
            image->memory = rw_memory_overlay(incident, image->memory, digits, version, sizeof version);
            image->memory = rw_memory_overlay(incident, image->memory, runtime + 8, offsets_version,
                                              sizeof offsets_version);
            assert_int_equal(rw_cpython_inspect(incident, process, image, NULL), 0);
            print_message("%s: taken for %s: %s\n", pythons[p], process->python,
                          process->python_note ? process->python_note : "believed");
            assert_null(process->python_note);
            for (size_t i = 0; i < process->thread_count; i++)
                assert_int_equal(process->threads[i].python_count,
                                 right->processes[0].threads[i].python_count);
            compare(&right->processes[0], process, "the next version");
            talloc_free(incident);
            seen++;
        }
        talloc_free(right);
        end_python(&program);
    }
    if (!seen) {
        print_message("no Python here is 3.%d\n", NEWEST_MINOR);
        skip();
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_wrong_offset_is_believed),
        cmocka_unit_test(offsets_of_a_process_are_checked_like_others),
        cmocka_unit_test(a_version_that_nobody_has_seen_is_read_like_the_newest),
    };
    if (argc < 2)
        return 2;
    waits_script = argv[1];
    return cmocka_run_group_tests(tests, find_pythons, forget_pythons);
}
