/* SPDX-License-Identifier: MIT */
/* How the one who stops threads goes about it. Argument: the program that hangs. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <talloc.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/snapshot/hanging.h"
#include "tools/snapshot/proc.h"
#include "tools/snapshot/quick.h"
#include "tools/snapshot/seize.h"

#define LOOKS 20

static const char *program;

static bool may_be_real_time(void)
{
    const struct sched_param lowest = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};
    int status = 1;
    pid_t child = fork();

    if (child == 0)
        _exit(sched_setscheduler(0, SCHED_FIFO, &lowest) != 0);
    waitpid(child, &status, 0);
    return status == 0;
}

static void *policy_of_a_quick_one(void *policy)
{
    struct rw_quick quick;

    rw_quick_begin(&quick);
    *(int *)policy = sched_getscheduler(0);
    rw_quick_end(&quick);
    return NULL;
}

/* Else another program's slice comes between a thread's stop and its release. */
static void comes_before_other_programs(void **state)
{
    (void)state;
    int policy = -1;
    pthread_t quick;

    assert_int_equal(pthread_create(&quick, NULL, policy_of_a_quick_one, &policy), 0);
    pthread_join(quick, NULL);
    assert_int_equal(policy, may_be_real_time() ? SCHED_FIFO : SCHED_OTHER);
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
}

/* What it was told of the watches before is what it goes by. */
static void *watches_of_a_quick_one(void *outcome)
{
    const char **wrong = outcome;
    struct rw_quick quick;

    rw_quick_begin(&quick);
    bool is_first = sched_getscheduler(0) == SCHED_FIFO;
    for (int i = 0; i < 3; i++) { /* as long as that helps */
        *wrong = (rw_quick_watch_ns(&quick) > 0) != is_first ? "no watch" : *wrong;
        rw_quick_watched(&quick, false);
    }
    rw_quick_watched(&quick, true);
    unsigned without = 0;
    while (without < 1000 && rw_quick_watch_ns(&quick) == 0)
        without++;
    *wrong = without == 0 ? "a watch right after one in vain" : *wrong;
    *wrong = (without < 1000) != is_first ? "and never again, or not by one who comes first" : *wrong;
    rw_quick_end(&quick);
    return NULL;
}

static void watches_where_that_helps(void **state)
{
    (void)state;
    const char *wrong = NULL;
    pthread_t quick;

    assert_int_equal(pthread_create(&quick, NULL, watches_of_a_quick_one, &wrong), 0);
    pthread_join(quick, NULL);
    if (wrong)
        fail_msg("%s", wrong);
}

static long sleeps(void)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

/* A thread that has to wake others first stops later, and those take a processor. */
static void wakes_nobody_else(void **state)
{
    (void)state;
    struct hanging hanging = hanging_start(program, NULL, NULL, 0);
    struct rw_copy *copies;
    int *tids;
    size_t count;

    assert_int_equal(rw_proc_threads(NULL, hanging.pid, &tids, &count), 0);
    copies = calloc(count, sizeof(*copies));
    assert_non_null(copies);
    long before = sleeps();
    for (int look = 0; look < LOOKS; look++) {
        for (size_t i = 0; i < count; i++)
            copies[i] = (struct rw_copy){.tid = tids[i], .cpu = -1};
        assert_int_equal(rw_seize_copy(copies, count, 2000), 0);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(copies[i].error, 0);
        rw_copies_free(copies, count);
    }
    assert_true(count > 2);
    assert_in_range(sleeps() - before, 0, 2 * LOOKS); /* for the tracer, at its beginning and its end */
    free(copies);
    talloc_free(tids);
    hanging_end(&hanging);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_before_other_programs),
        cmocka_unit_test(watches_where_that_helps),
        cmocka_unit_test(wakes_nobody_else),
    };

    if (argc != 2)
        return 2;
    program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
