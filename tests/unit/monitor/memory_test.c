/* SPDX-License-Identifier: MIT */
/* A run may last for days, with a million tests and threads that come and go: of what has passed, and left
 * nothing, nothing stays in the monitor either. Counted in blocks of memory, once the first rounds are over.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <talloc.h>

#include "tests/unit/monitor/scratch.h"
#include "tests/unit/recording/make_recording.h"
#include "tools/monitor/looks.h"
#include "tools/monitor/progress.h"

#define SLOTS 4
#define FIRST_ROUNDS 40 /* the recording's tables have gone round */
#define ROUNDS 400
#define LOOKS 12

struct stage {
    char *folder, *path;
    pid_t pid;
    struct made made;
    struct rw_options *options; /* what all else of the monitor's belongs to */
    struct rw_watch *watch;
    struct rw_triggers triggers;
    struct rw_publisher *publisher;
    struct rw_looks *looks;
};

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * MADE_S + (uint64_t)now.tv_nsec;
}

static void record(struct stage *stage)
{
    int fd = open(stage->path, O_WRONLY | O_CREAT, 0600);
    for (unsigned i = 0; i < SLOTS; i++)
        stage->made.slots[i].slot.sequence += 2;
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, stage->made.bytes, stage->made.size, 0), stage->made.size);
    close(fd);
}

static int set_up(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    struct rw_session *session;
    char *why;
    stage->folder = make_scratch();
    stage->pid = fork();
    if (stage->pid == 0)
        for (;;)
            pause();
    make_recording(&stage->made, SLOTS);
    stage->made.header->pid = stage->pid;
    stage->made.header->created_boottime_ns = now_ns(CLOCK_BOOTTIME) + MADE_S;
    stage->options = rw_options_new(NULL);
    assert_int_equal(rw_session_create(stage->options, stage->folder, &session, &why), 0);
    stage->path = talloc_asprintf(stage->options, "%s/%d-%llx.rec", session->path, (int)stage->pid,
                                  (unsigned long long)MADE_START_NS);
    record(stage);
    stage->watch = rw_watch_new(stage->options, session->path);
    struct rw_out *out = rw_out_new(stage->options, session->out_fd, session->out, session->name, "a");
    stage->publisher = rw_publisher_new(stage->options, stage->options, session, stage->watch, out);
    rw_triggers_init(&stage->triggers, stage->options, now_ns(CLOCK_MONOTONIC));
    stage->looks = rw_looks_new(stage->options, stage->publisher, &stage->triggers, "a");
    *state = stage;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *stage = *state;
    kill(stage->pid, SIGKILL);
    waitpid(stage->pid, NULL, 0);
    talloc_free(stage->watch);
    talloc_free(stage->options);
    free_recording(&stage->made);
    remove_scratch(stage->folder);
    free(stage);
    return 0;
}

/* A test ends, and what it left is gone when the monitor comes to look: a thread, and a descriptor. */
static void end_test(struct stage *stage, unsigned number)
{
    char name[64];
    snprintf(name, sizeof(name), "test_a.py::test_%u", number);
    struct rw_account *account =
        make_account(&stage->made, name, MADE_START_NS + number, MADE_START_NS + number + 1);
    make_left_thread(account, &stage->made, 1);
    account->threads[0].generation--;
    account->descriptors_left = 1;
    account->descriptors[0] = (struct rw_left_descriptor){.fd = 1000, .access = 1, .target = "pipe:[123]"};
}

static void tick(struct stage *stage, unsigned number)
{
    uint64_t now = MADE_START_NS + (number + 1) * MADE_S;
    struct rw_slot *slot =
        make_thread(&stage->made, 1, (int)(5000 + number), RW_THREAD_RUNNING, "comes and goes");
    slot->generation = number + 2;
    end_test(stage, number);
    record(stage);
    rw_watch_update(stage->watch, now, true);
    struct rw_watched *watched = rw_watch_find(stage->watch, stage->pid);
    assert_non_null(watched);
    assert_int_equal(rw_progress_update(watched, now), 0);
    rw_accounts_update(stage->publisher->accounts, watched, now);
    assert_int_equal(watched->accounts_taken, number + 1);
}

static void tests_that_leave_nothing(void **state)
{
    struct stage *stage = *state;
    unsigned number = 0;
    while (number < FIRST_ROUNDS)
        tick(stage, number++);
    size_t blocks = talloc_total_blocks(stage->options), bytes = talloc_total_size(stage->options);
    while (number < ROUNDS)
        tick(stage, number++);
    assert_int_equal(rw_accounts_count(stage->publisher->accounts), 0);
    assert_int_equal(talloc_total_blocks(stage->options), blocks);
    assert_int_equal(talloc_total_size(stage->options), bytes);
}

static void look(struct stage *stage)
{
    struct rw_want want = {.trigger = RW_TRIGGER_EARLY, .pid = stage->pid, .detail = "it is time"};
    rw_looks_begin(stage->looks, &want, now_ns(CLOCK_MONOTONIC));
    rw_looks_finish(stage->looks, 20 * MADE_S);
    assert_false(rw_looks_busy(stage->looks));
}

static void looks_that_see_nothing(void **state)
{
    struct stage *stage = *state;
    tick(stage, 0);
    look(stage);
    size_t blocks = talloc_total_blocks(stage->options), bytes = talloc_total_size(stage->options);
    for (unsigned i = 0; i < LOOKS; i++)
        look(stage);
    assert_int_equal(stage->publisher->told, 0);
    assert_int_equal(talloc_total_blocks(stage->options), blocks);
    assert_int_equal(talloc_total_size(stage->options), bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tests_that_leave_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(looks_that_see_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
