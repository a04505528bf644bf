/* SPDX-License-Identifier: MIT */
/* Files of serial mode's choices: what is written is read again, and what is damaged is refused or cut. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <talloc.h>

#include "shim/schedule_given.h"
#include "tools/recording/schedule_file.h"

static char path[4096];
static void *scratch;

static int begin(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "%s/scheduleXXXXXX", getenv("TEST_TMPDIR"));
    int fd = mkstemp(path);
    scratch = talloc_new(NULL);
    return fd < 0 || close(fd) != 0;
}

static int end(void **state)
{
    (void)state;
    talloc_free(scratch);
    return unlink(path);
}

/* Two threads, one function, five switches. */
static struct rw_schedule *sample(void)
{
    struct rw_schedule *schedule = talloc_zero(scratch, struct rw_schedule);
    schedule->header = (struct rw_schedule_header){
        .magic = RW_SCHEDULE_MAGIC,
        .header_size = sizeof(schedule->header),
        .thread_size = sizeof(struct rw_schedule_thread),
        .switch_size = sizeof(struct rw_schedule_switch),
        .seed = 17,
        .place = 3,
        .thread_count = 2,
        .source_count = 1,
        .switch_count = 5,
    };
    schedule->threads = talloc_zero_array(schedule, struct rw_schedule_thread, 2);
    schedule->sources = talloc_zero_array(schedule, struct rw_schedule_source, 1);
    schedule->switches = talloc_zero_array(schedule, struct rw_schedule_switch, 5);
    schedule->threads[1].path = 99;
    strcpy(schedule->sources[0].file, "bank.py");
    for (uint32_t i = 0; i < 5; i++)
        schedule->switches[i] = (struct rw_schedule_switch){
            .from = i % 2, .to = 1 - i % 2, .point = i + 1, .check = 7, .source = 1, .line = 20 + i};
    return schedule;
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    static const size_t kept[] = {1, 4};
    struct rw_schedule *read = NULL;
    assert_int_equal(rw_schedule_write(sample(), kept, 2, path), 0);
    assert_int_equal(rw_schedule_read(scratch, path, &read), 0);
    assert_int_equal(read->header.seed, 17);
    assert_int_equal(read->header.switch_count, 2);
    assert_int_equal(read->threads[1].path, 99);
    assert_string_equal(read->sources[0].file, "bank.py");
    assert_int_equal(read->switches[0].line, 21);
    assert_int_equal(read->switches[1].line, 24);
    assert_int_equal(read->switches[1].check, 0); /* what happens between them is another thing now */
}

static void no_switch_is_a_schedule_too(void **state)
{
    (void)state;
    struct rw_schedule *read = NULL;
    assert_int_equal(rw_schedule_write(sample(), NULL, 0, path), 0);
    assert_int_equal(rw_schedule_read(scratch, path, &read), 0);
    assert_int_equal(read->header.switch_count, 0);
}

static void put(size_t at, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "r+");
    fseek(file, (long)at, SEEK_SET);
    fwrite(bytes, size, 1, file);
    fclose(file);
}

static void write_whole(const struct rw_schedule *schedule)
{
    static const size_t all[] = {0, 1, 2, 3, 4};
    assert_int_equal(rw_schedule_write(schedule, all, 5, path), 0);
}

static void counts_beyond_the_file_are_refused(void **state)
{
    (void)state;
    static const size_t fields[] = {
        offsetof(struct rw_schedule_header, magic), offsetof(struct rw_schedule_header, header_size),
        offsetof(struct rw_schedule_header, thread_count), offsetof(struct rw_schedule_header, source_count),
        offsetof(struct rw_schedule_header, switch_count)};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct rw_schedule *read = NULL;
        write_whole(sample());
        put(fields[i], "\xff\xff\xff\x7f", 4);
        assert_int_equal(rw_schedule_read(scratch, path, &read), -EINVAL);
        assert_null(read);
    }
}

static void each_shorter_file_is_refused(void **state)
{
    (void)state;
    write_whole(sample());
    FILE *file = fopen(path, "r");
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    fclose(file);
    for (long length = size - 1; length >= 0; length -= length > size - 200 ? 1 : 997) {
        struct rw_schedule *read = NULL;
        assert_int_equal(truncate(path, length), 0);
        assert_int_equal(rw_schedule_read(scratch, path, &read), -EINVAL);
    }
}

static void threads_and_functions_that_are_not_there_are_left_out(void **state)
{
    (void)state;
    struct rw_schedule *schedule = sample(), *read = NULL;
    schedule->switches[0].from = 2;
    schedule->switches[1].to = UINT32_MAX;
    schedule->switches[2].source = 2;
    memset(schedule->sources[0].function, 'f', sizeof(schedule->sources[0].function));
    write_whole(schedule);
    assert_int_equal(rw_schedule_read(scratch, path, &read), 0);
    assert_int_equal(read->header.switch_count, 3);
    assert_int_equal(read->switches[0].source, 0);
    assert_int_equal(read->switches[1].source, 1);
    assert_int_equal(strlen(read->sources[0].function), sizeof(read->sources[0].function) - 1);
}

/* The library's: the next try of a hunt writes the file anew while a process of the last may still live. */
static void what_was_given_stands_when_the_file_is_cut(void **state)
{
    (void)state;
    struct rw_schedule_given given;
    write_whole(sample());
    assert_int_equal(rw_schedule_given(path, &given), 0);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(given.switch_count, 5);
    assert_int_equal(given.threads[1].path, 99);
    assert_int_equal(given.switches[4].line, 24);
    assert_int_equal(munmap((void *)(uintptr_t)given.header, given.size), 0);
    assert_int_equal(rw_schedule_given(path, &given), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_read, begin, end),
        cmocka_unit_test_setup_teardown(no_switch_is_a_schedule_too, begin, end),
        cmocka_unit_test_setup_teardown(counts_beyond_the_file_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(each_shorter_file_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(threads_and_functions_that_are_not_there_are_left_out, begin, end),
        cmocka_unit_test_setup_teardown(what_was_given_stands_when_the_file_is_cut, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
