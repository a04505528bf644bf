/* SPDX-License-Identifier: MIT */
/*
 * A file of serial mode's choices of any bytes, as the library reads it to make them again, the tools to tell
 * of it, and a hunt to leave some out. Inputs are patches (fuzz.h) of a file that uses every part.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <talloc.h>

#include "shim/schedule_given.h"
#include "tests/fuzz/fuzz.h"
#include "tools/monitor/schedules.h"
#include "tools/options/options.h"
#include "tools/postmortem/schedule_words.h"
#include "tools/recording/schedule_file.h"

#define THREADS 3u
#define SOURCES 2u
#define SWITCHES 6u

struct whole {
    struct rw_schedule_header header;
    struct rw_schedule_thread threads[RW_SCHEDULE_THREAD_MAX];
    struct rw_schedule_source sources[RW_SCHEDULE_SOURCE_MAX];
    struct rw_schedule_switch switches[SWITCHES];
};

static const uint8_t *make_good(void)
{
    static struct whole whole = {
        .header = {.magic = RW_SCHEDULE_MAGIC,
                   .header_size = sizeof(struct rw_schedule_header),
                   .thread_size = sizeof(struct rw_schedule_thread),
                   .switch_size = sizeof(struct rw_schedule_switch),
                   .pid = 77,
                   .place = 3,
                   .hash = 5,
                   .thread_count = THREADS,
                   .source_count = SOURCES,
                   .switch_count = SWITCHES,
                   .lines_displaced = 1,
                   .has_diverged = RW_SCHEDULE_ELSEWHERE,
                   .diverged_thread = 1,
                   .diverged_source = 2,
                   .diverged_line = 8,
                   .executable = "/usr/bin/made"},
        .sources = {{"bank.py", "move"}, {"pool.py", "take"}},
    };
    for (uint32_t i = 0; i < THREADS; i++)
        whole.threads[i] = (struct rw_schedule_thread){.path = i * 99, .tid = 77 + (int32_t)i};
    for (uint32_t i = 0; i < SWITCHES; i++)
        whole.switches[i] = (struct rw_schedule_switch){.from = i % THREADS,
                                                        .to = (i + 1) % THREADS,
                                                        .point = i + 1,
                                                        .check = 7,
                                                        .return_address = 0x401000,
                                                        .was_able = i % 2,
                                                        .source = i % (SOURCES + 1),
                                                        .line = 20 + i,
                                                        .kind = i % RW_SCHEDULE_POINTS};
    return (const uint8_t *)&whole;
}

static volatile uint64_t sum; /* so that nothing is left out */

/* All that a replay looks at is there to be read. */
static void as_the_library(const char *path)
{
    struct rw_schedule_given given;
    if (rw_schedule_given(path, &given) != 0)
        return;
    assert(given.thread_count <= RW_SCHEDULE_THREAD_MAX);
    for (uint32_t i = 0; i < given.thread_count; i++)
        sum += given.threads[i].path;
    for (uint32_t i = 0; i < given.switch_count; i++)
        sum += given.switches[i].from + given.switches[i].kind;
    munmap((void *)(uintptr_t)given.header, given.size);
}

static void as_a_hunt(const char *path, const char *shorter)
{
    struct rw_schedule *schedule = NULL, *again = NULL;
    if (rw_schedule_read(NULL, path, &schedule) != 0)
        return;
    size_t count = schedule->header.switch_count, *kept = talloc_array(schedule, size_t, count + 1);
    struct rw_schedule_words *words = rw_schedule_words(schedule, schedule, path, NULL);
    for (size_t i = 0; i < count; i++) {
        kept[i] = i;
        rw_schedule_thread_name(words, schedule->switches[i].from);
        rw_schedule_thread_name(words, schedule->switches[i].to);
        rw_schedule_place(words, &schedule->switches[i]);
    }
    assert(rw_schedule_write(schedule, kept, count, shorter) == 0);
    assert(rw_schedule_read(schedule, shorter, &again) == 0 && again->header.switch_count == count);
    talloc_free(schedule);
}

/* It is the file that was given and the one that the run wrote. */
static void as_the_monitor(const char *path)
{
    char *why;
    struct rw_options *options = rw_options_new(NULL);
    rw_options_set(options, "perturb", "serial", &why);
    rw_options_set(options, "replay", path, &why);
    struct rw_schedules *schedules = rw_schedules_new(options, options);
    rw_schedules_note(schedules, path);
    rw_schedules_said(schedules);
    talloc_free(options);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct fuzz_patched file, shorter;
    static const char *path, *shorter_path;
    if (path == NULL) {
        path = fuzz_patched_open(&file, "77-1.schedule", make_good(), sizeof(struct whole));
        shorter_path = fuzz_patched_open(&shorter, "shorter.schedule", (const uint8_t *)"", 0);
    }
    fuzz_patch(&file, bytes, size);
    as_the_library(path);
    as_a_hunt(path, shorter_path);
    as_the_monitor(path);
    fuzz_unpatch(&file, bytes, size);
    return 0;
}
