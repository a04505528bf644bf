/* SPDX-License-Identifier: MIT */
/* Which tests the search names, and in how many tries. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/command/ddmin.h"

#define TESTS_MAX 1000

/* It hangs after all of `needed`. */
struct world {
    const size_t *needed;
    size_t needed_count;
    size_t tries, last_try; /* 0: no limit */
};

static int probe(void *context, const size_t *tests, size_t count)
{
    struct world *world = context;
    size_t found = 0;
    assert_true(count > 0);
    if (world->last_try != 0 && world->tries >= world->last_try)
        return -ETIME;
    world->tries++;
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || tests[i] > tests[i - 1]);
        for (size_t j = 0; j < world->needed_count; j++)
            found += tests[i] == world->needed[j];
    }
    return found == world->needed_count;
}

static int reduce(struct world *world, size_t *tests, size_t *count)
{
    for (size_t i = 0; i < *count; i++)
        tests[i] = i;
    return rw_ddmin(probe, world, tests, count);
}

static void one_test_is_found_wherever_it_is(void **state)
{
    (void)state;
    for (size_t total = 1; total < 40; total++)
        for (size_t needed = 0; needed < total; needed++) {
            struct world world = {.needed = &needed, .needed_count = 1};
            size_t tests[TESTS_MAX], count = total;
            assert_int_equal(reduce(&world, tests, &count), 0);
            assert_int_equal(count, 1);
            assert_int_equal(tests[0], needed);
        }
}

static void a_thousand_tests_take_twenty_tries(void **state)
{
    (void)state;
    static const size_t needed[] = {17};
    struct world world = {.needed = needed, .needed_count = 1};
    size_t tests[TESTS_MAX], count = TESTS_MAX;
    assert_int_equal(reduce(&world, tests, &count), 0);
    assert_int_equal(count, 1);
    assert_true(world.tries <= 20);
}

static void several_that_are_needed_together_are_all_found(void **state)
{
    (void)state;
    static const size_t needed[] = {2, 3, 31, 58};
    struct world world = {.needed = needed, .needed_count = 4};
    size_t tests[TESTS_MAX], count = 60;
    assert_int_equal(reduce(&world, tests, &count), 0);
    assert_int_equal(count, 4);
    assert_memory_equal(tests, needed, sizeof(needed));
}

static void a_set_of_which_all_are_needed_stays(void **state)
{
    (void)state;
    static const size_t needed[] = {0, 1, 2, 3, 4};
    struct world world = {.needed = needed, .needed_count = 5};
    size_t tests[TESTS_MAX], count = 5;
    assert_int_equal(reduce(&world, tests, &count), 0);
    assert_int_equal(count, 5);
    assert_memory_equal(tests, needed, sizeof(needed));
}

static void what_is_known_when_the_time_is_over_hangs(void **state)
{
    (void)state;
    static const size_t needed[] = {100, 700};
    for (size_t last_try = 1; last_try < 12; last_try++) {
        struct world world = {.needed = needed, .needed_count = 2, .last_try = last_try};
        size_t tests[TESTS_MAX], count = TESTS_MAX;
        assert_int_equal(reduce(&world, tests, &count), -ETIME);
        world.last_try = 0;
        assert_int_equal(probe(&world, tests, count), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_test_is_found_wherever_it_is),
        cmocka_unit_test(a_thousand_tests_take_twenty_tries),
        cmocka_unit_test(several_that_are_needed_together_are_all_found),
        cmocka_unit_test(a_set_of_which_all_are_needed_stays),
        cmocka_unit_test(what_is_known_when_the_time_is_over_hangs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
