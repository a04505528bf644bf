/* SPDX-License-Identifier: MIT */
/* Who runs next: the same seed chooses the same, seeds differ, and each way of choosing keeps its promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shim/serial_policy.h"

enum { THREADS = 3, STEPS = 200 };

struct run {
    struct rw_serial_policy policy;
    struct rw_serial_candidate candidates[THREADS], *list[THREADS];
    uint32_t chosen[STEPS];
};

/* Each of the threads can run at each step, and touches an object of its own. */
static void run(struct run *all, uint64_t seed)
{
    memset(all, 0, sizeof *all);
    rw_serial_policy_begin(&all->policy, seed);
    for (uint32_t i = 0; i < THREADS; i++) {
        all->candidates[i].object = i + 1;
        all->list[i] = &all->candidates[i];
        rw_serial_policy_add(&all->policy, &all->candidates[i]);
    }
    uint32_t current = 0;
    for (uint32_t i = 0; i < STEPS; i++)
        current = all->chosen[i] = rw_serial_choose(&all->policy, all->list, THREADS, current);
}

static void same_seed_same_choices(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct run first, second;
        run(&first, seed);
        run(&second, seed);
        assert_memory_equal(first.chosen, second.chosen, sizeof first.chosen);
    }
}

static void ways_are_spread_over_seeds(void **state)
{
    (void)state;
    size_t ways[3] = {0};
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct rw_serial_policy policy;
        rw_serial_policy_begin(&policy, seed);
        ways[policy.way]++;
    }
    assert_in_range(ways[RW_SERIAL_WALK], 550, 650);
    assert_in_range(ways[RW_SERIAL_PCT], 150, 250);
    assert_in_range(ways[RW_SERIAL_POS], 150, 250);
}

static uint64_t seed_of(enum rw_serial_way way, uint64_t from)
{
    struct rw_serial_policy policy;
    for (uint64_t seed = from;; seed++) {
        rw_serial_policy_begin(&policy, seed);
        if (policy.way == way)
            return seed;
    }
}

/* The highest goes on until a change point makes it fall: as many switches as there are change points at
 * most. */
static void priorities_change_at_few_points(void **state)
{
    (void)state;
    uint64_t seed = 0;
    for (int i = 0; i < 50; i++, seed++) {
        struct run all;
        seed = seed_of(RW_SERIAL_PCT, seed);
        run(&all, seed);
        uint32_t switches = 0;
        for (uint32_t j = 1; j < STEPS; j++)
            switches += all.chosen[j] != all.chosen[j - 1];
        assert_in_range(switches, 0, all.policy.changes);
    }
}

static void walk_and_partial_order_let_all_run(void **state)
{
    (void)state;
    for (int way = RW_SERIAL_WALK; way <= RW_SERIAL_POS; way += RW_SERIAL_POS - RW_SERIAL_WALK) {
        struct run all;
        size_t times[THREADS] = {0};
        run(&all, seed_of((enum rw_serial_way)way, 0));
        for (uint32_t i = 0; i < STEPS; i++)
            times[all.chosen[i]]++;
        for (uint32_t i = 0; i < THREADS; i++)
            assert_in_range(times[i], STEPS / 20, STEPS);
    }
}

static void who_yields_comes_last(void **state)
{
    (void)state;
    struct run all;
    run(&all, seed_of(RW_SERIAL_PCT, 0));
    uint32_t last = all.chosen[STEPS - 1];
    rw_serial_policy_yielded(&all.policy, &all.candidates[last]);
    for (int i = 0; i < 10; i++)
        assert_int_not_equal(rw_serial_choose(&all.policy, all.list, THREADS, last), last);
}

/* Some seed in two has checks. Others come first until the thread may; alone it is not held up. */
static void who_gets_a_lock_at_a_check_comes_last(void **state)
{
    (void)state;
    size_t with_checks = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct run all;
        run(&all, seed);
        uint32_t checks = 0;
        for (int i = 0; i < 100 && checks == 0; i++)
            checks = rw_serial_policy_checks(&all.policy, &all.candidates[1], 0);
        with_checks += checks != 0;
        if (checks == 0)
            continue;
        uint64_t until = all.candidates[1].stays_until;
        assert_in_range(until, STEPS + 1, STEPS + (1 << 14));
        while (all.policy.step < until)
            assert_int_not_equal(rw_serial_choose(&all.policy, all.list, THREADS, 0), 1);
        all.candidates[1].stays_until = UINT64_MAX;
        assert_int_equal(rw_serial_choose(&all.policy, &all.list[1], 1, 0), 0);
    }
    assert_in_range(with_checks, 70, 130);
}

/* Looking for checks takes time, and there may be no end of them. */
static void checks_are_drawn_ever_less(void **state)
{
    (void)state;
    size_t at_first = 0, later = 0;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct run all;
        run(&all, seed);
        at_first += rw_serial_policy_checks(&all.policy, &all.candidates[0], 0) != 0;
        later += rw_serial_policy_checks(&all.policy, &all.candidates[0], 1000000) != 0;
    }
    assert_in_range(at_first, 200, 400);
    assert_in_range(later, 0, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_same_choices),
        cmocka_unit_test(ways_are_spread_over_seeds),
        cmocka_unit_test(priorities_change_at_few_points),
        cmocka_unit_test(walk_and_partial_order_let_all_run),
        cmocka_unit_test(who_yields_comes_last),
        cmocka_unit_test(who_gets_a_lock_at_a_check_comes_last),
        cmocka_unit_test(checks_are_drawn_ever_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
