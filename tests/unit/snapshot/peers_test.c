/* SPDX-License-Identifier: MIT */
/* Who has the other ends of what a program waits on. Argument: ends.c's program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include <cmocka.h>

#include "tests/unit/snapshot/hanging.h"
#include "tools/snapshot/peers.h"
#include "tools/snapshot/proc.h"

static const char *program;

enum held_by { NOBODY_KNOWN, ITSELF, CHILD, BOTH };

static const struct {
    const char *function, *kind, *wants;
    size_t channels;
    enum held_by held_by;
} expected[] = {
    {"write_full", "pipe", "room", 1, CHILD},       {"read_own", "pipe", "data", 1, ITSELF},
    {"read_empty", "pipe", "data", 1, CHILD},       {"recv_pair", "unix", "data", 1, CHILD},
    {"send_wide", "unix", "room", 1, CHILD},        {"recv_tcp", "tcp", "data", 1, CHILD},
    {"poll_event", "eventfd", "data", 1, ITSELF},   {"select_two", "pipe", "data", 2, CHILD},
    {"epoll_pair", "unix", "data", 1, CHILD},       {"accept_any", "listener", "connection", 1, NOBODY_KNOWN},
    {"wait_child", "process", "exit", 1, CHILD},    {"lock_file", "file-lock", "unlock", 1, CHILD},
    {"lock_left", "file-lock", "unlock", 1, CHILD}, {"wait_shared", "memory", "post", 1, BOTH},
};

static int child_of(pid_t pid)
{
    int *pids;
    size_t count;

    assert_int_equal(rw_proc_children(NULL, pid, &pids, &count), 0);
    assert_int_equal(count, 1);
    int child = pids[0];
    talloc_free(pids);
    return child;
}

static bool is_held(const struct rw_channel *channel, int pid)
{
    for (size_t i = 0; i < channel->holder_count; i++)
        if (channel->holders[i].pid == pid)
            return true;
    return false;
}

static void every_other_end_is_found(void **state)
{
    struct hanging hanging = hanging_start(program, NULL, NULL, 0);
    struct snapshot snapshot = snapshot_take(hanging.pid);
    int child = child_of(hanging.pid);

    (void)state;
    assert_int_equal(snapshot.result, 0);
    rw_peers_fill(snapshot.incident);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        const struct rw_thread *thread = snapshot_thread(&snapshot, expected[i].function);
        if (!thread || !thread->waits_on)
            fail_msg("%s does not wait", expected[i].function);
        const struct rw_wait_on *wait = thread->waits_on;
        if (wait->channel_count != expected[i].channels)
            fail_msg("%s has %zu channels", expected[i].function, wait->channel_count);
        const struct rw_channel *channel = &wait->channels[0];
        assert_string_equal(channel->kind, expected[i].kind);
        assert_string_equal(channel->wants, expected[i].wants);
        bool by_itself = expected[i].held_by == ITSELF || expected[i].held_by == BOTH;
        bool by_child = expected[i].held_by == CHILD || expected[i].held_by == BOTH;
        if (is_held(channel, hanging.pid) != by_itself || is_held(channel, child) != by_child ||
            channel->holder_count != (size_t)by_itself + (size_t)by_child)
            fail_msg("%s: not held by whom it is held", expected[i].function);
        /* A relative that may not be looked into may be there; else the answer is whole. */
        if (expected[i].held_by != NOBODY_KNOWN)
            assert_true(channel->is_complete == 1 || channel->note);
    }
    snapshot_free(&snapshot);
    hanging_end(&hanging);
}

/* A stop would make write() and send() return with what they have written so far. */
static void no_write_is_cut_short(void **state)
{
    struct hanging hanging = hanging_start(program, NULL, NULL, 0);

    (void)state;
    for (int i = 0; i < 20; i++) {
        struct snapshot snapshot = snapshot_take(hanging.pid);
        assert_int_equal(snapshot.result, 0);
        const struct rw_thread *writer = snapshot_thread(&snapshot, "write_full");
        assert_non_null(writer);
        assert_string_equal(writer->stack_source, "memory");
        snapshot_free(&snapshot);
    }
    assert_false(hanging_was_disturbed(&hanging));
    hanging_end(&hanging);
}

/* That a thread stayed in its call shows in its context switches, though the look itself made some. */
static void who_stays_blocked_has_no_switches(void **state)
{
    struct hanging hanging = hanging_start(program, NULL, NULL, 0);
    struct snapshot first = snapshot_take(hanging.pid);

    (void)state;
    rw_peers_fill(first.incident);
    struct snapshot second = snapshot_take(hanging.pid);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        const struct rw_thread *before = snapshot_thread(&first, expected[i].function);
        const struct rw_thread *after = snapshot_thread(&second, expected[i].function);
        if (before->switches >= 0)
            assert_int_equal(after->switches_before, before->switches);
    }
    snapshot_free(&first);
    snapshot_free(&second);
    hanging_end(&hanging);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_other_end_is_found),
        cmocka_unit_test(no_write_is_cut_short),
        cmocka_unit_test(who_stays_blocked_has_no_switches),
    };

    if (argc < 2)
        return 2;
    program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
