/* SPDX-License-Identifier: MIT */
/* Moves real beginnings of functions and runs them where they were moved to. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "shim/x86_move.h"
#include "tests/unit/shim_python/functions.h"

static uint8_t *room;

static int move(function *fn, size_t size, size_t *taken)
{
    memset(room, 0xcc, RW_X86_MOVED_MAX);
    return rw_x86_move((const uint8_t *)fn, size, 5, room, RW_X86_MOVED_MAX, taken);
}

static void runs_moved(function *fn, size_t size)
{
    size_t taken = 0;
    assert_int_equal(move(fn, size, &taken), 0);
    assert_in_range(taken, 5, 15);
    assert_int_equal(mprotect(room, 4096, PROT_READ | PROT_EXEC), 0);
    assert_int_equal(((function *)(void *)room)(4, 2), 42);
    assert_int_equal(((function *)(void *)room)(0, 7), 7);
    assert_int_equal(mprotect(room, 4096, PROT_READ | PROT_WRITE), 0);
}

static void moved_code_does_the_same(void **state)
{
    (void)state;
    runs_moved(WITH_SIZE(fn_pushes));
    runs_moved(WITH_SIZE(fn_endbr));
    runs_moved(WITH_SIZE(fn_rip_relative));
    runs_moved(WITH_SIZE(fn_tail_jump));
    runs_moved(WITH_SIZE(fn_call_first));
    runs_moved(WITH_SIZE(fn_call_through_pointer));
    runs_moved(WITH_SIZE(fn_short_branch));
}

static void what_cannot_be_moved_is_refused(void **state)
{
    (void)state;
    size_t taken;
    assert_int_equal(move(WITH_SIZE(fn_too_short), &taken), -EMSGSIZE);
    assert_int_equal(move(WITH_SIZE(fn_loops_back), &taken), -ELOOP);
    assert_int_equal(move(WITH_SIZE(fn_breakpoint), &taken), -EILSEQ);
    assert_int_equal(move(WITH_SIZE(fn_jrcxz), &taken), -EILSEQ);
}

static void a_call_through_a_register_is_refused(void **state)
{
    (void)state;
    size_t taken;
    assert_int_equal(move(WITH_SIZE(fn_call_register), &taken), -EILSEQ);
}

static void too_far_and_too_little_room_are_told(void **state)
{
    (void)state;
    size_t taken;
    uint8_t *far =
        mmap((void *)0x100000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(far != MAP_FAILED);
    assert_int_equal(rw_x86_move((const uint8_t *)fn_rip_relative, fn_rip_relative_size, 5, far, 64, &taken),
                     -ERANGE);
    assert_int_equal(munmap(far, 4096), 0);
    assert_int_equal(rw_x86_move((const uint8_t *)fn_pushes, fn_pushes_size, 5, room, 4, &taken), -ENOSPC);
}

static int map_room(void **state)
{
    (void)state;
    const uintptr_t near = ((uintptr_t)fn_pushes & -(uintptr_t)4096) - 0x1000000;
    room = mmap((void *)near, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return room == MAP_FAILED;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moved_code_does_the_same),
        cmocka_unit_test(what_cannot_be_moved_is_refused),
        cmocka_unit_test(a_call_through_a_register_is_refused),
        cmocka_unit_test(too_far_and_too_little_room_are_told),
    };
    return cmocka_run_group_tests(tests, map_room, NULL);
}
