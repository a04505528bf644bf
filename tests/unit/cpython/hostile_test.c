/* SPDX-License-Identifier: MIT */
/*
 * Memory that changes while it is read may hold anything: every look at a Python ends, without harm to the
 * one who looks. Reads are made to go wrong (the linker's --wrap puts these functions between); what is seen
 * then does not matter. argv: the programs waits.py and tasks.py.
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
#include "tools/cpython/cpython.h"
#include "tools/incident/model.h"
#include "tools/snapshot/image.h"
#include "tools/snapshot/process.h"

#define LOOKS 40

int __real_rw_memory_read(struct rw_memory *memory, uint64_t address, void *buffer, size_t length);
int __wrap_rw_memory_read(struct rw_memory *memory, uint64_t address, void *buffer, size_t length);
int __real_rw_memory_read_cached(struct rw_memory *memory, uint64_t address, void *buffer, size_t length);
int __wrap_rw_memory_read_cached(struct rw_memory *memory, uint64_t address, void *buffer, size_t length);

/* libdw 0.188 loses 80 bytes with each process whose source lines it is asked for; so many looks let it be
 * seen. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libdw.so";
}

static char **scripts;
static long one_in; /* so many reads go wrong; 0: none */
static size_t spoiled;

/* A bit, a word, or all of it. */
static int spoil(uint8_t *bytes, size_t length, int result)
{
    if (!one_in || !length || random() % one_in)
        return result;
    spoiled++;
    size_t at = (size_t)random() % length & ~(size_t)7;
    switch (random() % 4) {
    case 0:
        return -EFAULT;
    case 1:
        bytes[(size_t)random() % length] ^= (uint8_t)(1 << random() % 8);
        break;
    case 2:
        memset(bytes + at, random() % 2 ? 0xff : 0, length - at < 8 ? length - at : 8);
        break;
    default:
        for (size_t i = at; i < length && i < at + 8; i++)
            bytes[i] = (uint8_t)random();
    }
    return result;
}

int __wrap_rw_memory_read(struct rw_memory *memory, uint64_t address, void *buffer, size_t length)
{
    return spoil(buffer, length, __real_rw_memory_read(memory, address, buffer, length));
}

int __wrap_rw_memory_read_cached(struct rw_memory *memory, uint64_t address, void *buffer, size_t length)
{
    return spoil(buffer, length, __real_rw_memory_read_cached(memory, address, buffer, length));
}

/* How much of Python it saw, for there is no point in a test that is refused at the door. */
static size_t look_wrongly(const struct python_program *program, long how_often)
{
    struct rw_incident *incident = rw_incident_new(NULL);
    struct rw_process_info *process = rw_incident_add_process(incident, program->pid);
    struct rw_image *image;
    size_t frames = 0;
    assert_int_equal(rw_image_open(incident, program->pid, NULL, &image), 0);
    assert_int_equal(rw_snapshot_process(incident, process, image, NULL, NULL), 0);
    one_in = how_often;
    assert_int_equal(rw_cpython_inspect(incident, process, image, NULL), 0);
    one_in = 0;
    for (size_t i = 0; i < process->thread_count; i++)
        frames += process->threads[i].python_count;
    talloc_free(incident);
    return frames;
}

static void any_memory_is_survived(void **state)
{
    (void)state;
    for (size_t s = 0; scripts[s]; s++) {
        struct python_program program = start_python(pythons[0], scripts[s], NULL, NULL);
        size_t seen = 0;
        spoiled = 0;
        for (unsigned look = 0; look < LOOKS; look++) {
            srandom(look);
            seen += look_wrongly(&program, 20 + 30 * (long)look) > 0;
        }
        print_message("%s: %zu reads spoiled in %d looks, %zu of them saw frames\n", pythons[0], spoiled,
                      LOOKS, seen);
        assert_true(spoiled > LOOKS && seen > 0);
        end_python(&program);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_memory_is_survived),
    };
    if (argc < 3)
        return 2;
    scripts = argv + 1;
    return cmocka_run_group_tests(tests, find_pythons, forget_pythons);
}
