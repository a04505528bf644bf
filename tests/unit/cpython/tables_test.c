/* SPDX-License-Identifier: MIT */
/* Line tables, exception tables and strings: pure functions, with bytes out of real code objects. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <talloc.h>

#include "tests/unit/cpython/line_tables.h"
#include "tools/cpython/exceptions.h"
#include "tools/cpython/layout.h"
#include "tools/cpython/lines.h"
#include "tools/cpython/strings.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static void every_instruction_has_its_line(void **state)
{
    (void)state;
    for (size_t t = 0; t < COUNT(line_tables); t++) {
        int32_t at = 0;
        for (size_t r = 0; r < line_tables[t].run_count; r++)
            for (int u = 0; u < line_tables[t].runs[r].units; u++, at += 2) {
                int line = rw_line_of(line_tables[t].minor, line_tables[t].table, line_tables[t].size,
                                      line_tables[t].first, at);
                if (line != line_tables[t].runs[r].line)
                    fail_msg("3.%u %s at %d: %d, not %d", line_tables[t].minor, line_tables[t].name, at, line,
                             line_tables[t].runs[r].line);
            }
    }
}

static void code_that_has_not_begun_is_in_its_first_line(void **state)
{
    (void)state;
    for (unsigned minor = 8; minor <= 14; minor++)
        assert_int_equal(rw_line_of(minor, NULL, 0, 17, -1), 17);
}

static void a_table_of_any_bytes_ends(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 2000; seed++) {
        size_t size = seed % 97;
        uint8_t *exact = malloc(size + 1); /* so that a sanitizer sees a byte too many */
        struct rw_exception_entry entry;
        uint32_t start;
        assert_non_null(exact);
        for (size_t i = 0; i < size; i++)
            exact[i] = (uint8_t)(((seed + 1) * 2654435761u * (unsigned)(i + 1)) >> 13);
        for (unsigned minor = 8; minor <= 15; minor++)
            rw_line_of(minor, exact, size, 1, (int32_t)(seed * 7));
        rw_exception_covering(exact, size, seed, &entry);
        rw_exception_block_start(exact, size, seed, 1, &start);
        free(exact);
    }
}

/* def f(lock, it):                 CPython 3.12; offsets:
 *   with lock:                       2 LOAD_FAST, 4 BEFORE_WITH
 *     try:
 *       for x in it:
 *         with x as y:               20 LOAD_FAST, 22 BEFORE_WITH
 *           y()                      26
 *     finally: pass
 *     lock()                         64
 *   return 1                         94; then the handlers */
static const uint8_t exceptions[] = {131, 1, 65,  1, 3,   133, 7,  60,  2, 140, 8,  48,  7,  148, 10,
                                     60,  2, 159, 8, 65,  1,   3,  176, 5, 57,  11, 181, 7,  60,  2,
                                     188, 2, 62,  5, 190, 3,   65, 1,   3, 193, 1,  5,   65, 10,  7};

static void an_instruction_is_covered_by_its_handler(void **state)
{
    (void)state;
    struct rw_exception_entry entry;
    assert_false(rw_exception_covering(exceptions, sizeof exceptions, 4, &entry)); /* waits to enter */
    assert_true(rw_exception_covering(exceptions, sizeof exceptions, 30, &entry));
    assert_int_equal(entry.start, 24);
    assert_int_equal(entry.end, 40);
    assert_int_equal(entry.target, 96);
    assert_int_equal(entry.depth, 3);
    assert_false(rw_exception_covering(exceptions, sizeof exceptions, 94, &entry));
}

static void a_block_starts_behind_its_with(void **state)
{
    (void)state;
    static const struct {
        uint32_t at, depth, start;
    } cases[] = {
        {64, 1, 6},  /* in the outer block, behind the try */
        {12, 1, 6},  /* in the try, which has a handler of its own */
        {30, 1, 6},  /* in the inner block: the outer one is open too */
        {30, 3, 24}, /* the inner one; 2 is the loop's iterator */
        {110, 1, 6}, /* in the handler of the try */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t start = 0;
        assert_true(
            rw_exception_block_start(exceptions, sizeof exceptions, cases[i].at, cases[i].depth, &start));
        assert_int_equal(start, cases[i].start);
    }
    uint32_t start;
    assert_false(rw_exception_block_start(exceptions, sizeof exceptions, 64, 3, &start));
}

/* Of 2^26 slots, each of which somebody would look at. */
static void an_entry_of_a_depth_that_cannot_be_is_none(void **state)
{
    (void)state;
    static const uint8_t table[] = {128 | 1, 10, 20, 64 | 8, 64, 64, 64, 0};
    struct rw_exception_entry entry;
    assert_false(rw_exception_covering(table, sizeof table, 4, &entry));
}

/* Every entry covers the place, and each has a handler of its own: in a quarter of a million of them, whoever
 * compares each with each is still at it tomorrow. */
static void a_table_that_is_made_to_be_slow_is_given_up(void **state)
{
    (void)state;
    enum { ENTRY = 8, ENTRIES = 1 << 17 };
    uint8_t *table = malloc((size_t)ENTRY * ENTRIES);
    assert_non_null(table);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        uint32_t target = 1000 + i;
        const uint8_t entry[ENTRY] = {
            128, 1, 64 | (target >> 18 & 63), 64 | (target >> 12 & 63), 64 | (target >> 6 & 63), target & 63,
            64,  2};
        memcpy(table + (size_t)i * ENTRY, entry, ENTRY);
    }
    uint32_t start;
    assert_false(rw_exception_block_start(table, (size_t)ENTRY * ENTRIES, 100, 1, &start));
    free(table);
}

static void strings_become_utf8(void **state)
{
    (void)state;
    static const uint16_t two[] = {0x42, 0x20ac, 0xdc80};
    static const uint32_t four[] = {0x1f40d, 0xe4, 0x110000};
    void *ctx = talloc_new(NULL);
    assert_string_equal(rw_string_utf8(ctx, "plain", 5, 1), "plain");
    assert_string_equal(rw_string_utf8(ctx, "\xe4\0", 2, 1), "\xc3\xa4\\x00");
    assert_string_equal(rw_string_utf8(ctx, two, 3, 2), "B\xe2\x82\xac\\udc80");
    assert_string_equal(rw_string_utf8(ctx, four, 3, 4), "\xf0\x9f\x90\x8d\xc3\xa4\\U00110000");
    assert_string_equal(rw_string_utf8(ctx, "", 0, 1), "");
    talloc_free(ctx);
}

static void a_string_tells_its_width_in_every_layout(void **state)
{
    (void)state;
    struct rw_string_state s;
    for (unsigned kind = 1; kind <= 4; kind *= 2)
        for (unsigned interned = 0; interned < 4; interned++) {
            uint32_t bits = kind | 1u << 3 | (kind == 1) << 4;
            static const unsigned widths[] = {2, 8, 16};
            for (size_t i = 0; i < COUNT(widths); i++) {
                assert_true(rw_string_state(bits << widths[i] | interned, &s));
                assert_int_equal(s.width, kind);
                assert_int_equal(s.is_ascii, kind == 1);
            }
        }
    assert_false(rw_string_state(0, &s));
    assert_false(rw_string_state(3u << 2 | 1u << 5, &s)); /* three bytes */
}

static void debug_offsets_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct rw_layout layout;
    uint64_t words[RW_DEBUG_OFFSETS_MAX / 8] = {0};
    assert_int_equal(rw_layout_from_debug_offsets((uint8_t *)words, sizeof words, 13, 0, &layout), -EBADMSG);
    assert_int_equal(rw_layout_from_debug_offsets((uint8_t *)words, 100, 14, 0, &layout), -EBADMSG);
    assert_true(rw_layout_from_debug_offsets((uint8_t *)words, sizeof words, 13, 9, &layout) < 0);
    memset(words, 0xff, sizeof words);
    assert_int_equal(rw_layout_from_debug_offsets((uint8_t *)words, sizeof words, 99, 0, &layout), -EBADMSG);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instruction_has_its_line),
        cmocka_unit_test(code_that_has_not_begun_is_in_its_first_line),
        cmocka_unit_test(a_table_of_any_bytes_ends),
        cmocka_unit_test(an_instruction_is_covered_by_its_handler),
        cmocka_unit_test(a_block_starts_behind_its_with),
        cmocka_unit_test(an_entry_of_a_depth_that_cannot_be_is_none),
        cmocka_unit_test(a_table_that_is_made_to_be_slow_is_given_up),
        cmocka_unit_test(strings_become_utf8),
        cmocka_unit_test(a_string_tells_its_width_in_every_layout),
        cmocka_unit_test(debug_offsets_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
