/* SPDX-License-Identifier: MIT */
/* A recording of any bytes: whatever is in it, all of the reader and the model end, in bounds. Inputs are
 * patches (fuzz.h) of a recording that uses every part. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>

#include "tests/fuzz/in_memory.h"
#include "tests/unit/recording/make_recording.h"
#include "tools/incident/model.h"
#include "tools/recording/model.h"
#include "tools/recording/print.h"

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
    check_string(header->test, sizeof(header->test));
    struct rw_account account;
    int error = rw_reader_account(reader, 1, &account);
    assert(error == -ENOENT || header->accounts_written != 0);
    if (error == 0 || error == -EAGAIN) {
        check_string(account.test, sizeof(account.test));
        check_string(account.descriptors[0].target, sizeof(account.descriptors[0].target));
    }
    struct rw_semaphore owner;
    rw_reader_semaphore_owner(reader, 0x7777, &owner);
    struct rw_lock lock;
    rw_reader_lock_owner(reader, 0x7f0012345670, &lock);
}

/* All that the tools do with a recording of this path. */
static void use(const char *path)
{
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
    rw_recording_print(path, fuzz_nowhere(), &why);
    talloc_free(why);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct made made;
    static struct fuzz_patched file;
    static const char *path;
    if (path == NULL) {
        make_rich_recording(&made);
        make_every_kind(&made);
        path = fuzz_patched_open(&file, "1.rec", made.bytes, made.size);
        fuzz_in_memory(&file);
    }
    fuzz_patch(&file, bytes, size);
    use(path);
    fuzz_unpatch(&file, bytes, size);
    return 0;
}
