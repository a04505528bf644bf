/* SPDX-License-Identifier: MIT */
/* The option table, as a user meets it: in the environment, as flags, and handed on to children. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <talloc.h>

#include "tools/options/options.h"

static int clean_environment(void **state)
{
    (void)state;
    unsetenv("RACEWATCH_OPTIONS");
    unsetenv("RACEWATCH_DIR");
    unsetenv("TEST_UNDECLARED_OUTPUTS_DIR");
    unsetenv("TEST_TIMEOUT");
    return 0;
}

/* Options as the environment makes them; what was warned of is in *warnings. */
static struct rw_options *from_environment(char **warnings)
{
    size_t size;
    FILE *file = open_memstream(warnings, &size);
    struct rw_options *options = rw_options_new(NULL);
    rw_options_from_environment(options, file);
    fclose(file);
    return options;
}

static void defaults_are_the_tables(void **state)
{
    (void)state;
    char *warnings;
    struct rw_options *options = from_environment(&warnings);
    assert_true(options->timeout == 300 && options->test_timeout == 60 && options->exit_grace == 10);
    assert_string_equal(options->dir, "racewatch-out");
    assert_false(options->is_set.timeout);
    assert_string_equal(warnings, "");
    assert_string_equal(rw_options_string(options, options), "");
    free(warnings);
    talloc_free(options);
}

static void a_mistake_is_one_line_and_leaves_the_rest(void **state)
{
    (void)state;
    setenv("RACEWATCH_OPTIONS", "nosuch=1:timeout=ten:test_timeout=2.5:on_hang=dance:verbose:exit_grace", 1);
    char *warnings;
    struct rw_options *options = from_environment(&warnings);
    assert_non_null(strstr(warnings, "unknown option 'nosuch'"));
    assert_non_null(strstr(warnings, "'ten' is not a number of seconds"));
    assert_non_null(strstr(warnings, "'dance' is none of {report, abort, kill}"));
    int lines = 0;
    for (const char *c = warnings; *c != '\0'; c++)
        lines += *c == '\n';
    assert_int_equal(lines, 4);
    assert_non_null(
        strstr(warnings, "option exit_grace has no value (exit_grace=SECONDS); exit_grace=10 is used"));
    assert_true(options->timeout == 300 && !options->is_set.timeout);
    assert_true(options->test_timeout == 2.5 && options->is_set.test_timeout);
    assert_true(options->verbose);
    free(warnings);
    talloc_free(options);
}

static void values_out_of_range_are_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"timeout", "-1"},
        {"timeout", "inf"},
        {"timeout", "nan"},
        {"timeout", "1e30"},
        {"timeout", ""},
        {"max_incidents", "-3"},
        {"max_incidents", "99999999999999999999999"},
        {"python", "2"},
        {"keep", "found,"},
        {"keep", ""},
        {"keep", "only"},
        {"dir", ""},
        {"timeout", NULL},
    };
    struct rw_options *options = rw_options_new(NULL);
    char *why;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(rw_options_set(options, bad[i][0], bad[i][1], &why), -EINVAL);
    assert_int_equal(rw_options_set(options, "exit-grace", "0", &why), 0); /* a flag's way to write it */
    assert_int_equal(rw_options_set(options, "exit+grace", "0", &why), -ENOENT);
    assert_true(options->exit_grace == 0);
    talloc_free(options);
}

static void the_folder_has_three_sources(void **state)
{
    (void)state;
    char *warnings;
    setenv("TEST_UNDECLARED_OUTPUTS_DIR", "/bazel", 1);
    struct rw_options *options = from_environment(&warnings);
    assert_string_equal(options->dir, "/bazel");
    setenv("RACEWATCH_DIR", "/dir", 1);
    rw_options_from_environment(options, NULL);
    assert_string_equal(options->dir, "/dir");
    setenv("RACEWATCH_OPTIONS", "dir=/option", 1);
    rw_options_from_environment(options, NULL);
    assert_string_equal(options->dir, "/option");
    free(warnings);
    talloc_free(options);
}

static void children_get_what_was_set(void **state)
{
    (void)state;
    setenv("TEST_TIMEOUT", "60", 1);
    setenv("RACEWATCH_OPTIONS", "help=1:dir=a:timeout=12.5:on_hang=abort", 1);
    char *warnings, *handed_on;
    struct rw_options *options = from_environment(&warnings);
    assert_true(options->deadline == 60);
    handed_on = rw_options_string(options, options);
    assert_string_equal(handed_on, "timeout=12.5:on_hang=abort");
    free(warnings);
    talloc_free(options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(defaults_are_the_tables, clean_environment),
        cmocka_unit_test_setup(a_mistake_is_one_line_and_leaves_the_rest, clean_environment),
        cmocka_unit_test_setup(values_out_of_range_are_refused, clean_environment),
        cmocka_unit_test_setup(the_folder_has_three_sources, clean_environment),
        cmocka_unit_test_setup(children_get_what_was_set, clean_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
