/* SPDX-License-Identifier: MIT */
/*
 * Python's memory as it never is: a look at a living Python, whose reads the input makes go wrong. Each 10
 * bytes of it: how many reads to let pass (1 byte), how the next one goes wrong (1), and with what (8).
 * RACEWATCH_FUZZ_SCRIPT names the script that is looked at (tests/unit/cpython/waits.py, tasks.py);
 * python_program.h says in which Python.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <talloc.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/cpython/python_program.h"
#include "tools/cpython/cpython.h"
#include "tools/incident/model.h"
#include "tools/snapshot/image.h"
#include "tools/snapshot/process.h"

#define STEP 10u

int __real_rw_memory_read(struct rw_memory *memory, uint64_t address, void *buffer, size_t length);
int __wrap_rw_memory_read(struct rw_memory *memory, uint64_t address, void *buffer, size_t length);
int __real_rw_memory_read_cached(struct rw_memory *memory, uint64_t address, void *buffer, size_t length);
int __wrap_rw_memory_read_cached(struct rw_memory *memory, uint64_t address, void *buffer, size_t length);

static const uint8_t *steps;
static size_t steps_size;
static unsigned to_pass;

static int spoil(uint8_t *bytes, size_t length, int result)
{
    if (steps_size < STEP || length == 0)
        return result;
    if (to_pass++ < steps[0])
        return result;
    size_t at = (size_t)(steps[1] >> 2) * 8 % length, room = length - at < 8 ? length - at : 8;
    uint64_t word = 0, value;
    memcpy(&value, steps + 2, 8);
    memcpy(&word, bytes + at, room);
    switch (steps[1] & 3) {
    case 0:
        result = -EFAULT;
        break;
    case 1:
        word += value;
        break;
    case 2:
        word ^= value;
        break;
    default:
        word = value;
    }
    memcpy(bytes + at, &word, room);
    steps += STEP;
    steps_size -= STEP;
    to_pass = 0;
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

static struct python_program program;

static void end_program(void)
{
    end_python(&program);
}

static void begin_program(void)
{
    const char *script = getenv("RACEWATCH_FUZZ_SCRIPT");
    if (script == NULL || find_pythons(NULL) != 0) {
        fprintf(stderr, "no Python, or no RACEWATCH_FUZZ_SCRIPT: nothing to look at\n");
        exit(1);
    }
    program = start_python(pythons[0], script, NULL, NULL);
    atexit(end_program);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (program.pid == 0)
        begin_program();
    struct rw_incident *incident = rw_incident_new(NULL);
    struct rw_process_info *process = rw_incident_add_process(incident, program.pid);
    struct rw_image *image;
    const struct rw_snapshot_options options = {.native = false};
    if (rw_image_open(incident, program.pid, NULL, &image) != 0 ||
        rw_snapshot_process(incident, process, image, NULL, &options) != 0)
        abort();
    steps = bytes;
    steps_size = size;
    to_pass = 0;
    rw_cpython_inspect(incident, process, image, NULL);
    steps_size = 0;
    talloc_free(incident);
    return 0;
}
