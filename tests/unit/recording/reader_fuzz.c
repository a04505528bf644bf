/* SPDX-License-Identifier: MIT */
/*
 * A recording of any bytes: whatever is in it, all of the reader and the model end, in bounds.
 *
 * LLVMFuzzerTestOneInput is the entry for libFuzzer (clang -fsanitize=fuzzer -DRW_FUZZER). Without it, main()
 * below mutates a recording that uses every part, so many times as the argument says (20000), always in the
 * same way.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>

#include "tests/unit/recording/make_recording.h"
#include "tools/incident/model.h"
#include "tools/recording/model.h"
#include "tools/recording/print.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size);

static void check_string(const char *string, size_t size)
{
    assert(memchr(string, '\0', size) != NULL);
}

static void read_everything(struct rw_reader *reader)
{
    const struct rw_header *header = rw_reader_header(reader);
    assert(header->slot_used <= RW_SLOT_MAX);
    check_string(header->executable, sizeof(header->executable));
    for (unsigned i = 0; i < header->slot_used; i++) {
        static struct rw_slot slot;
        static struct rw_history history;
        struct rw_capture capture;
        static uint8_t stack[RW_STACK_MAX];
        int error = rw_reader_slot(reader, i, &slot);
        if (error == 0 || error == -EAGAIN) {
            check_string(slot.name, sizeof(slot.name));
            check_string(slot.test, sizeof(slot.test));
            if (rw_reader_history(reader, i, &slot, &history) == 0)
                assert(history.count <= 2 * RW_EVENT_MAX);
        }
        error = rw_reader_capture(reader, i, &capture, stack);
        assert(error != 0 || capture.stack_length <= RW_STACK_MAX);
    }
    struct rw_test test;
    if (rw_reader_current_test(reader, &test) == 0)
        check_string(test.name, sizeof(test.name));
    struct rw_semaphore owner;
    rw_reader_semaphore_owner(reader, 0x7777, &owner);
}

/* All that the tools do with a recording of this path. */
static void use(const char *path)
{
    static FILE *nowhere;
    if (nowhere == NULL)
        nowhere = fopen("/dev/null", "we");
    struct rw_reader *reader;
    char *why;
    int error = rw_reader_open(path, &reader, &why);
    assert((error == 0) == (reader != NULL) && (error == 0) == (why == NULL));
    if (error == 0) {
        read_everything(reader);
        struct rw_incident *incident = rw_incident_new(NULL);
        incident->now_ns = MADE_START_NS + 10 * MADE_S;
        rw_recording_fill(incident, rw_incident_add_process(incident, MADE_PID), reader, NULL, NULL);
        talloc_free(incident);
        rw_reader_close(reader);
    }
    talloc_free(why);
    rw_recording_print(path, nowhere);
}

static char *folder;

static void remove_it(void)
{
    remove_folder(folder);
}

static const char *scratch_path(void)
{
    static char path[4096];
    if (folder == NULL) {
        folder = make_folder();
        atexit(remove_it);
        snprintf(path, sizeof(path), "%s/1.rec", folder);
    }
    return path;
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size)
{
    struct made made = {.bytes = (unsigned char *)bytes, .size = size};
    write_recording(&made, scratch_path(), SIZE_MAX);
    use(scratch_path());
    return 0;
}

#ifndef RW_FUZZER
static uint64_t random_state = 20;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Where mutations tell most: the header and the heads of slots, then the tables, then anywhere. */
static size_t somewhere(const struct made *made)
{
    uint64_t random = next_random();
    size_t slots = made->header->slot_offset;
    switch (random % 4) {
    case 0:
        return random / 4 % sizeof(struct rw_header);
    case 1:
        return slots + random / 64 % 6 * sizeof(struct rw_slot_area) + random / 1024 % sizeof(struct rw_slot);
    case 2:
        return 4096 + random / 4 % (slots - 4096);
    default:
        return random / 4 % made->size;
    }
}

static uint64_t some_value(uint64_t old)
{
    static const uint64_t values[] = {0,     1,          31,         32,         33,        4095,
                                      16384, 0x7fffffff, 0x80000000, UINT32_MAX, INT64_MAX, UINT64_MAX};
    uint64_t random = next_random();
    switch (random % 4) {
    case 0:
        return old + 1;
    case 1:
        return old ^ UINT64_C(1) << random / 4 % 64;
    case 2:
        return values[random / 4 % (sizeof(values) / sizeof(values[0]))];
    default:
        return next_random();
    }
}

static void put(int fd, const unsigned char *bytes, size_t at, size_t size)
{
    if (pwrite(fd, bytes + at, size, (off_t)at) != (ssize_t)size)
        abort();
}

int main(int argument_count, char **arguments)
{
    unsigned long count = argument_count > 1 ? strtoul(arguments[1], NULL, 10) : 20000;
    struct made good, bad;
    make_rich_recording(&good);
    make_rich_recording(&bad);
    const char *path = scratch_path();
    write_recording(&good, path, SIZE_MAX);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        abort();
    for (unsigned long i = 0; i < count; i++) {
        size_t at[4];
        unsigned changes = 1 + (unsigned)(next_random() % 4);
        for (unsigned change = 0; change < changes; change++) {
            uint64_t value;
            size_t width = (size_t)1 << next_random() % 4;
            at[change] = somewhere(&good) / width * width;
            memcpy(&value, bad.bytes + at[change],
                   sizeof(value) < good.size - at[change] ? sizeof(value) : width);
            value = some_value(value);
            memcpy(bad.bytes + at[change], &value, width);
            put(fd, bad.bytes, at[change], width);
        }
        bool is_cut = next_random() % 32 == 0;
        if (is_cut && ftruncate(fd, (off_t)(next_random() % good.size)) != 0)
            abort();
        use(path);
        for (unsigned change = 0; change < changes; change++) {
            size_t size =
                sizeof(uint64_t) < good.size - at[change] ? sizeof(uint64_t) : good.size - at[change];
            memcpy(bad.bytes + at[change], good.bytes + at[change], size);
            put(fd, good.bytes, at[change], size);
        }
        if (is_cut)
            put(fd, good.bytes, 0, good.size);
    }
    close(fd);
    free_recording(&good);
    free_recording(&bad);
    printf("%lu mutated recordings were read\n", count);
    return 0;
}
#endif
