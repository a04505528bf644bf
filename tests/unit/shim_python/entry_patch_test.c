/* SPDX-License-Identifier: MIT */
/* Patches functions of this very program, and looks at what is left. */
#include <errno.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unwind.h>

#include <cmocka.h>

#include "shim/entry_patch.h"
#include "tests/unit/shim_python/functions.h"

static struct rw_elf_module self;
static void *original;
static int calls;

static int take_first(struct dl_phdr_info *info, size_t size, void *module)
{
    (void)size;
    rw_elf_module_open(module, info);
    return 1;
}

static long counts(long first, long second)
{
    calls++;
    return ((function *)original)(first, second);
}

static int patch(function *fn, size_t size, const void *replacement)
{
    struct rw_entry_patch one = {.function = {(uintptr_t)fn, size}, .replacement = replacement};
    const size_t patched = rw_entry_patch(&self, &one, 1);
    assert_int_equal(patched, one.error == 0);
    assert_int_equal(patched, one.original != NULL);
    original = one.original;
    return one.error;
}

static void sees_calls(function *fn, size_t size)
{
    function *volatile called = fn;
    calls = 0;
    assert_int_equal(patch(fn, size, (const void *)counts), 0);
    assert_int_equal(called(4, 2), 42);
    assert_int_equal(called(0, 7), 7);
    assert_int_equal(calls, 2);
}

static void patched_functions_call_the_replacement_and_still_work(void **state)
{
    (void)state;
    sees_calls(WITH_SIZE(fn_pushes));
    sees_calls(WITH_SIZE(fn_rip_relative));
    sees_calls(WITH_SIZE(fn_tail_jump));
    sees_calls(WITH_SIZE(fn_call_first));
    sees_calls(WITH_SIZE(fn_call_through_pointer));
    sees_calls(WITH_SIZE(fn_short_branch));
}

static void endbr64_stays_where_it_is(void **state)
{
    (void)state;
    static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa, 0xe9};
    sees_calls(WITH_SIZE(fn_endbr));
    assert_memory_equal((const void *)fn_endbr, endbr64, sizeof endbr64);
}

static void *inner_original;
static int inner_calls;

static long inner_counts(long first, long second)
{
    inner_calls++;
    return ((function *)inner_original)(first, second);
}

static void patched_twice_both_see_it(void **state)
{
    (void)state;
    assert_int_equal(patch(WITH_SIZE(fn_patched_twice), (const void *)inner_counts), 0);
    inner_original = original;
    sees_calls(WITH_SIZE(fn_patched_twice));
    assert_int_equal(inner_calls, 2);
}

static void a_function_that_cannot_be_patched_is_left_alone(void **state)
{
    (void)state;
    uint8_t before[15];
    memcpy(before, (const void *)fn_loops_back, sizeof before);
    assert_int_equal(patch(WITH_SIZE(fn_loops_back), (const void *)counts), -ELOOP);
    assert_int_equal(patch(WITH_SIZE(fn_too_short), (const void *)counts), -EMSGSIZE);
    assert_memory_equal((const void *)fn_loops_back, before, sizeof before);
}

static void no_page_is_writable_and_executable(void **state)
{
    (void)state;
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    int code = 0;
    while (fgets(line, sizeof line, maps)) {
        assert_null(strstr(line, " rwxp "));
        code += strstr(line, " r-xp ") != NULL;
    }
    fclose(maps);
    assert_true(code > 1);
}

static void *(*walk_original)(void *(*)(void));

static void *walk_replacement(void *(*callback)(void))
{
    void *result = walk_original(callback);
    __asm__ volatile(""); /* no tail call: this frame is to be found */
    return result;
}

struct walk {
    uintptr_t seen[16];
    size_t count;
};

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *argument)
{
    struct walk *walk = argument;
    if (walk->count < 16)
        walk->seen[walk->count++] = _Unwind_GetIP(context);
    return _URC_NO_REASON;
}

static void *walk_stack(void)
{
    static struct walk walk;
    _Unwind_Backtrace(note_frame, &walk);
    return &walk;
}

/* The function's call was among the bytes that were moved: its return address must not be in the thunk. */
static void a_stack_walk_passes_a_call_that_was_moved(void **state)
{
    (void)state;
    assert_int_equal(
        patch((function *)(void *)fn_calls_back, fn_calls_back_size, (const void *)walk_replacement), 0);
    walk_original = (void *(*)(void *(*)(void)))original;
    const struct walk *walk = fn_calls_back(walk_stack);
    bool in_function = false, in_test = false;
    for (size_t i = 0; i < walk->count; i++) {
        in_function |= walk->seen[i] - (uintptr_t)fn_calls_back < fn_calls_back_size;
        in_test |= walk->seen[i] - (uintptr_t)a_stack_walk_passes_a_call_that_was_moved < 4096;
    }
    assert_true(in_function);
    assert_true(in_test);
}

static int open_self(void **state)
{
    (void)state;
    return !dl_iterate_phdr(take_first, &self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patched_functions_call_the_replacement_and_still_work),
        cmocka_unit_test(endbr64_stays_where_it_is),
        cmocka_unit_test(patched_twice_both_see_it),
        cmocka_unit_test(a_function_that_cannot_be_patched_is_left_alone),
        cmocka_unit_test(a_stack_walk_passes_a_call_that_was_moved),
        cmocka_unit_test(no_page_is_writable_and_executable),
    };
    return cmocka_run_group_tests(tests, open_self, NULL);
}
