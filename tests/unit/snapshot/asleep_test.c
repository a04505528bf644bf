/* SPDX-License-Identifier: MIT */
/* A thread that sleeps is read as it lies there, and one that has run since is not taken for it. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <talloc.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/snapshot/asleep.h"

/* A process that answers each byte with one, and sleeps for the next in the same call at the same place. */
struct echo {
    pid_t pid;
    int to, from;
    struct rw_look look;
    struct rw_target target;
};

static void look_at(struct echo *echo)
{
    struct rw_target *target = &echo->target;

    *target = (struct rw_target){.tid = echo->pid};
    do {
        sched_yield();
        assert_int_equal(rw_proc_thread(echo->pid, echo->pid, &target->times, NULL), 0);
        assert_int_equal(rw_proc_syscall(echo->pid, echo->pid, &target->call), 0);
    } while (target->times.state != 'S' || target->call.number != SYS_read ||
             !rw_asleep_still(&echo->look, target));
}

static int start(void **state)
{
    static struct echo echo;
    int there[2], back[2];

    assert_int_equal(pipe(there), 0);
    assert_int_equal(pipe(back), 0);
    echo = (struct echo){.pid = fork(), .to = there[1], .from = back[0]};
    if (echo.pid == 0) {
        char byte;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1)
            ;
        _exit(0);
    }
    close(there[0]);
    close(back[1]);
    echo.look.scratch = talloc_new(NULL);
    assert_int_equal(rw_image_open(echo.look.scratch, echo.pid, NULL, &echo.look.image), 0);
    look_at(&echo);
    *state = &echo;
    return 0;
}

static int end(void **state)
{
    struct echo *echo = *state;

    kill(echo->pid, SIGKILL);
    waitpid(echo->pid, NULL, 0);
    close(echo->to);
    close(echo->from);
    talloc_free(echo->look.scratch);
    return 0;
}

static void wake(struct echo *echo)
{
    char byte = 'x';

    assert_int_equal(write(echo->to, &byte, 1), 1);
    assert_int_equal(read(echo->from, &byte, 1), 1);
}

static void reads_a_sleeper(void **state)
{
    struct echo *echo = *state;
    const struct rw_stack *stack = &echo->target.lying;

    assert_true(rw_asleep_is_certain(&echo->target));
    assert_true(rw_asleep_read(&echo->look, &echo->target));
    /* The stack pointer, and the bytes from there. */
    assert_int_equal(stack->registers[7], echo->target.call.stack_pointer);
    assert_true(stack->address <= stack->registers[7]);
    assert_true(stack->address + stack->length > stack->registers[7] + 64);
    uint64_t there = 0;
    assert_int_equal(rw_memory_read(echo->look.image->memory, stack->registers[7], &there, sizeof(there)), 0);
    assert_memory_equal(stack->bytes + (stack->registers[7] - stack->address), &there, sizeof(there));
}

/* It sleeps again, in the same call and at the same place: that it has run shows in nothing else. */
static void is_not_taken_in_by_the_next_sleep(void **state)
{
    struct echo *echo = *state;
    struct rw_target first = echo->target;

    wake(echo);
    look_at(echo);
    assert_int_equal(echo->target.call.number, first.call.number);
    assert_int_equal(echo->target.call.stack_pointer, first.call.stack_pointer);
    assert_int_equal(echo->target.call.pc, first.call.pc);
    assert_false(rw_asleep_still(&echo->look, &first));
    assert_false(rw_asleep_read(&echo->look, &first));
    assert_null(first.lying.bytes);
    assert_true(rw_asleep_read(&echo->look, &echo->target));
}

/* Where it was when it was looked at first is no place of one that runs. */
static void leaves_a_runner_to_others(void **state)
{
    struct echo *echo = *state;
    struct rw_target running = echo->target;

    running.times.state = 'R';
    assert_false(rw_asleep_is_certain(&running));
    running.times.state = 'S';
    running.call.number = -1; /* interrupted anywhere: any register may matter */
    assert_false(rw_asleep_is_certain(&running));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_a_sleeper, start, end),
        cmocka_unit_test_setup_teardown(is_not_taken_in_by_the_next_sleep, start, end),
        cmocka_unit_test_setup_teardown(leaves_a_runner_to_others, start, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
