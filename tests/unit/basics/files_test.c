/* SPDX-License-Identifier: MIT */
/* Files in a folder that somebody else has been in before. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <talloc.h>

#include "tools/basics/files.h"
#include "tools/basics/folders.h"

static char *folder;

static int make(void **state)
{
    const char *tmp = getenv("TEST_TMPDIR");
    (void)state;
    folder = talloc_asprintf(NULL, "%s/files-XXXXXX", tmp != NULL ? tmp : "/tmp");
    return mkdtemp(folder) == NULL;
}

static int clear(void **state)
{
    (void)state;
    rw_remove_tree(folder);
    return talloc_free(folder);
}

static const char *in_folder(const char *name)
{
    return talloc_asprintf(folder, "%s/%s", folder, name);
}

static void make_victim(void)
{
    int fd = open(in_folder("victim"), O_WRONLY | O_CREAT | O_EXCL, 0644);
    assert_int_equal(write(fd, "mine", 4), 4);
    close(fd);
}

static void assert_victim_is_whole(void)
{
    char bytes[8];
    int fd = open(in_folder("victim"), O_RDONLY);
    assert_int_equal(read(fd, bytes, sizeof(bytes)), 4);
    assert_memory_equal(bytes, "mine", 4);
    close(fd);
}

static void assert_new_file(void)
{
    struct stat status;
    mode_t before = umask(0);
    int fd = rw_new_file(AT_FDCWD, in_folder("new"));
    umask(before);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "ours", 4), 4);
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(status.st_mode, S_IFREG | 0600);
    assert_int_equal(status.st_nlink, 1);
    close(fd);
    assert_victim_is_whole();
}

static void a_new_file_takes_the_place_of_what_was_there(void **state)
{
    (void)state;
    make_victim();
    assert_new_file();
    assert_new_file();
    unlink(in_folder("new"));
    assert_int_equal(symlink(in_folder("victim"), in_folder("new")), 0);
    assert_new_file();
    unlink(in_folder("new"));
    assert_int_equal(link(in_folder("victim"), in_folder("new")), 0);
    assert_new_file();
    unlink(in_folder("new"));
    assert_int_equal(mkfifo(in_folder("new"), 0600), 0);
    assert_new_file();
}

static void a_folder_is_not_replaced(void **state)
{
    (void)state;
    assert_int_equal(mkdir(in_folder("new"), 0700), 0);
    assert_int_equal(rw_new_file(AT_FDCWD, in_folder("new")), -EEXIST);
}

static void only_regular_files_are_opened(void **state)
{
    (void)state;
    make_victim();
    int fd = rw_open_regular(AT_FDCWD, in_folder("victim"), O_NOFOLLOW);
    char byte;
    assert_true(fd >= 0);
    assert_int_equal(read(fd, &byte, 1), 1);
    close(fd);
    assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
    assert_int_equal(rw_open_regular(AT_FDCWD, in_folder("fifo"), 0), -EINVAL);
    assert_int_equal(rw_open_regular(AT_FDCWD, "/dev/null", 0), -EINVAL);
    assert_int_equal(rw_open_regular(AT_FDCWD, folder, 0), -EINVAL);
    assert_int_equal(rw_open_regular(AT_FDCWD, in_folder("none"), 0), -ENOENT);
}

static void links_are_opened_where_that_is_asked_for(void **state)
{
    (void)state;
    make_victim();
    assert_int_equal(symlink(in_folder("victim"), in_folder("link")), 0);
    assert_int_equal(rw_open_regular(AT_FDCWD, in_folder("link"), O_NOFOLLOW), -ELOOP);
    int fd = rw_open_regular(AT_FDCWD, in_folder("link"), 0);
    assert_true(fd >= 0);
    close(fd);
}

static void a_lock_of_somebody_elses_is_not_waited_for_for_ever(void **state)
{
    (void)state;
    int theirs = open(folder, O_RDONLY | O_DIRECTORY), ours = open(folder, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(theirs, LOCK_EX), 0);
    assert_false(rw_lock(ours));
    close(theirs);
    assert_true(rw_lock(ours));
    close(ours);
}

static void a_folder_of_ours_is_none_of_anybody_elses(void **state)
{
    (void)state;
    assert_int_equal(rw_make_own_folder(in_folder("own")), 0);
    assert_int_equal(rw_make_own_folder(in_folder("own")), 0);
    assert_int_equal(symlink(in_folder("own"), in_folder("link")), 0);
    assert_int_equal(rw_make_own_folder(in_folder("link")), -ENOTDIR);
    if (chown(in_folder("own"), 65534, (gid_t)-1) != 0)
        skip();
    assert_int_equal(rw_make_own_folder(in_folder("own")), -EPERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_file_takes_the_place_of_what_was_there, make, clear),
        cmocka_unit_test_setup_teardown(a_folder_is_not_replaced, make, clear),
        cmocka_unit_test_setup_teardown(only_regular_files_are_opened, make, clear),
        cmocka_unit_test_setup_teardown(links_are_opened_where_that_is_asked_for, make, clear),
        cmocka_unit_test_setup_teardown(a_lock_of_somebody_elses_is_not_waited_for_for_ever, make, clear),
        cmocka_unit_test_setup_teardown(a_folder_of_ours_is_none_of_anybody_elses, make, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
