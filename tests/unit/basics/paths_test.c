/* SPDX-License-Identifier: MIT */
/* Paths as a user types them, and the folders that are made of them. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <talloc.h>

#include "tools/basics/folders.h"
#include "tools/basics/paths.h"

static void the_last_part_is_the_base_name(void **state)
{
    (void)state;
    assert_string_equal(rw_base_name("/usr/bin/python3"), "python3");
    assert_string_equal(rw_base_name("python3"), "python3");
    assert_string_equal(rw_base_name("out/"), "");
    assert_null(rw_base_name(NULL));
}

static void a_path_is_made_absolute(void **state)
{
    (void)state;
    char *cwd = getcwd(NULL, 0);
    char *expected = talloc_asprintf(NULL, "%s/a/b", cwd), *path = rw_absolute_path(expected, "a/b//");
    assert_string_equal(path, expected);
    assert_string_equal(rw_absolute_path(expected, "/a/b/"), "/a/b");
    assert_string_equal(rw_absolute_path(expected, "//"), "/");
    talloc_free(expected);
    free(cwd);
}

static void folders_are_made_and_removed(void **state)
{
    (void)state;
    const char *tmp = getenv("TEST_TMPDIR");
    char *top = talloc_asprintf(NULL, "%s/folders", tmp != NULL ? tmp : "/tmp");
    char *path = talloc_asprintf(top, "%s/a/b", top), *file = talloc_asprintf(top, "%s/file", path);
    struct stat status;
    bool made = false;
    assert_int_equal(rw_make_folders(path, &made), 0);
    assert_true(made);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(rw_make_folders(path, &made), 0);
    assert_false(made);
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(rw_make_folders(file, &made), -ENOTDIR);
    assert_false(made);
    rw_remove_tree(top);
    assert_int_equal(stat(top, &status), -1);
    talloc_free(top);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_part_is_the_base_name),
        cmocka_unit_test(a_path_is_made_absolute),
        cmocka_unit_test(folders_are_made_and_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
