/* SPDX-License-Identifier: MIT */
/*
 * Python's memory as it never is: a look at a living Python, whose reads the input makes go wrong. Each 10
 * bytes of it: how many reads to let pass (1 byte), how the next one goes wrong (1), and with what (8).
 * What the look begins with (threads, maps, symbols) is had once, and so is each page: asking the kernel
 * again takes thousands of calls for each input, and the program does not move. RACEWATCH_FUZZ_SCRIPT names
 * the script that is looked at: subject.py, or any other that says READY and then rests; python_program.h
 * says in which Python.
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

#define PAGE UINT64_C(4096)
#define PAGES_MAX (1u << 17) /* more than such a program has */

struct page {
    uint64_t address;
    uint8_t *bytes; /* NULL: free */
};

/* NULL where nothing can be read; the error says why. */
static const uint8_t *page_at(struct rw_memory *memory, uint64_t address, int *error)
{
    static struct page pages[PAGES_MAX];
    size_t at = address / PAGE * UINT64_C(0x9e3779b97f4a7c15) >> 47;
    while (pages[at].bytes != NULL && pages[at].address != address)
        at = (at + 1) % PAGES_MAX;
    if (pages[at].bytes != NULL)
        return pages[at].bytes;
    static unsigned used;
    uint8_t *bytes = malloc(PAGE);
    if (bytes == NULL || used == PAGES_MAX - 1)
        abort();
    *error = __real_rw_memory_read(memory, address, bytes, PAGE);
    if (*error != 0) {
        free(bytes);
        return NULL;
    }
    pages[at] = (struct page){address, bytes};
    used++;
    return bytes;
}

static int read_pages(struct rw_memory *memory, uint64_t address, uint8_t *buffer, size_t length)
{
    if (length > 0 && (address + length - 1 < address || address + length - 1 > INT64_MAX))
        return -EFAULT;
    while (length > 0) {
        size_t at = address % PAGE, part = length < PAGE - at ? length : PAGE - at;
        int error = 0;
        const uint8_t *page = page_at(memory, address - at, &error);
        if (page == NULL)
            return error;
        memcpy(buffer, page + at, part);
        address += part;
        buffer += part;
        length -= part;
    }
    return 0;
}

int __wrap_rw_memory_read(struct rw_memory *memory, uint64_t address, void *buffer, size_t length)
{
    return spoil(buffer, length, read_pages(memory, address, buffer, length));
}

int __wrap_rw_memory_read_cached(struct rw_memory *memory, uint64_t address, void *buffer, size_t length)
{
    return spoil(buffer, length, read_pages(memory, address, buffer, length));
}

static struct python_program program;
static struct rw_image *image;
static struct rw_process_info *seen; /* before anything of Python is known */

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
    static struct rw_incident *incident;
    const struct rw_snapshot_options options = {.native = true};
    incident = rw_incident_new(NULL);
    seen = rw_incident_add_process(incident, program.pid);
    if (rw_image_open(incident, program.pid, NULL, &image) != 0 ||
        rw_snapshot_process(incident, seen, image, NULL, &options) != 0)
        abort();
}

/* What is seen, in an incident of its own that may be changed. */
static struct rw_process_info *add_seen(struct rw_incident *incident)
{
    struct rw_process_info *process = rw_incident_add_process(incident, program.pid);
    *process = *seen;
    process->index = NULL;
    process->threads = talloc_memdup(incident, seen->threads, seen->thread_count * sizeof(*seen->threads));
    for (size_t i = 0; i < seen->thread_count; i++) {
        const struct rw_thread *from = &seen->threads[i];
        struct rw_thread *thread = &process->threads[i];
        if (from->waits_on != NULL)
            thread->waits_on = talloc_memdup(incident, from->waits_on, sizeof(*from->waits_on));
        if (from->native_count > 0)
            thread->native =
                talloc_memdup(incident, from->native, from->native_count * sizeof(*from->native));
    }
    return process;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (program.pid == 0)
        begin_program();
    struct rw_incident *incident = rw_incident_new(NULL);
    struct rw_process_info *process = add_seen(incident);
    steps = bytes;
    steps_size = size;
    to_pass = 0;
    rw_cpython_inspect(incident, process, image, NULL);
    steps_size = 0;
    talloc_free(incident);
    return 0;
}
