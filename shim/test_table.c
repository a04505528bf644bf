/* SPDX-License-Identifier: MIT */
#include "shim/test_table.h"

#include <stddef.h>

#include "shim/account.h"
#include "shim/recorder.h"
#include "shim/recording_file.h"
#include "shim/self.h"
#include "shim/text.h"

static struct rw_test *current(void)
{
    uint64_t written = rw_header->test_written;
    if (written == 0)
        return NULL;
    struct rw_test *test = &rw_tests[(written - 1) % RW_TEST_MAX];
    return test->end_ns == 0 ? test : NULL;
}

/* Splits "name (phase)". A value of another form is all name. */
static enum rw_test_phase split(const char *value, size_t *name_length)
{
    static const struct {
        const char *suffix;
        enum rw_test_phase phase;
    } phases[] = {
        {" (setup)", RW_PHASE_SETUP},
        {" (call)", RW_PHASE_CALL},
        {" (teardown)", RW_PHASE_TEARDOWN},
    };
    size_t length = rw_text_length(value);
    for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++) {
        size_t suffix = rw_text_length(phases[i].suffix);
        if (length >= suffix && rw_text_equal(value + length - suffix, phases[i].suffix)) {
            *name_length = length - suffix;
            return phases[i].phase;
        }
    }
    *name_length = length;
    return RW_PHASE_CALL;
}

void rw_test_name(char *name, const char *value)
{
    struct rw_text text;
    size_t length;
    split(value, &length);
    rw_zero(name, RW_TEST_NAME_MAX);
    rw_text_begin(&text, name, RW_TEST_NAME_MAX);
    rw_text_add_bytes(&text, value, length);
}

static void end(struct rw_self *self, struct rw_test *test, uint64_t now, uint64_t return_address)
{
    rw_write_begin(&test->sequence);
    test->phase = RW_PHASE_NONE;
    test->end_ns = now;
    rw_write_end(&test->sequence);
    __atomic_store_n(&rw_header->test_last_end_ns, now, __ATOMIC_RELEASE);
    rw_event_append(self, now, RW_EVENT_TEST_END, 0, test->number, return_address);
    rw_account_end(test);
}

static void begin(struct rw_self *self, const char *name, bool is_cut, enum rw_test_phase phase, uint64_t now,
                  uint64_t return_address)
{
    uint64_t number = rw_header->test_written + 1;
    struct rw_test *test = &rw_tests[(number - 1) % RW_TEST_MAX];
    rw_write_begin(&test->sequence);
    test->phase = phase;
    test->number = number;
    test->begin_ns = test->phase_ns = now;
    test->end_ns = 0;
    test->tid = rw_self_tid(self);
    test->name_truncated = is_cut;
    rw_copy(test->name, name, sizeof test->name);
    rw_write_end(&test->sequence);
    __atomic_store_n(&rw_header->test_written, number, __ATOMIC_RELEASE);
    rw_event_append(self, now, RW_EVENT_TEST_BEGIN, 0, number, return_address);
    rw_account_begin();
}

static void told(struct rw_self *self, const char *value, uint64_t return_address)
{
    uint64_t now = rw_recorder_now();
    struct rw_test *test = current();
    if (!value) {
        if (test)
            end(self, test, now, return_address);
        return;
    }
    size_t length;
    enum rw_test_phase phase = split(value, &length);
    char name[RW_TEST_NAME_MAX];
    rw_test_name(name, value);
    /* A second setup is a second run of the test, as plugins that repeat tests do. */
    bool is_same =
        test && rw_text_equal(test->name, name) && !(phase == RW_PHASE_SETUP && test->phase != phase);
    if (test && !is_same)
        end(self, test, now, return_address);
    if (!is_same) {
        begin(self, name, length >= sizeof name, phase, now, return_address);
    } else if (test->phase != (uint32_t)phase) {
        rw_write_begin(&test->sequence);
        test->phase = phase;
        test->phase_ns = now;
        rw_write_end(&test->sequence);
        rw_event_append(self, now, RW_EVENT_TEST_PHASE, phase, test->number, return_address);
    }
}

void rw_test_told(const char *value, const void *return_address)
{
    struct rw_self *self = rw_enter();
    if (!self)
        return;
    if (rw_table_begin(&rw_tests_writing)) {
        told(self, value, (uint64_t)return_address);
        rw_table_end(&rw_tests_writing);
    }
    rw_leave(self);
}

void rw_test_worker_told(const char *value)
{
    union {
        char text[sizeof(uint64_t)];
        uint64_t word;
    } worker;
    struct rw_self *self = rw_enter();
    if (!self)
        return;
    rw_text_copy(worker.text, sizeof worker.text, value);
    __atomic_store_n(&rw_header->test_worker, worker.word, __ATOMIC_RELEASE);
    rw_leave(self);
}

void rw_current_test(char name[RW_TEST_NAME_MAX])
{
    name[0] = '\0';
    struct rw_test *test = current();
    if (!test)
        return;
    for (int tries = 0; tries < 3; tries++) {
        uint32_t before = __atomic_load_n(&test->sequence, __ATOMIC_ACQUIRE);
        rw_text_copy(name, RW_TEST_NAME_MAX, test->name);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (!(before & 1) && before == __atomic_load_n(&test->sequence, __ATOMIC_RELAXED))
            return;
    }
    name[0] = '\0';
}
