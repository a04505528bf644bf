/* SPDX-License-Identifier: MIT */
/* Files that are used again: what becomes of a recording that nobody needs, and what may not become one. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "shim/recording.h"
#include "tests/unit/monitor/scratch.h"
#include "tools/monitor/spares.h"

static int make(void **state)
{
    *state = make_scratch();
    return 0;
}

static int clear(void **state)
{
    remove_scratch(*state);
    return 0;
}

static const char *in(const char *folder, const char *name)
{
    static char path[2][PATH_MAX];
    static unsigned turn;
    snprintf(path[++turn % 2], sizeof(path[0]), "%s/%s", folder, name);
    return path[turn % 2];
}

static struct stat make_recording(const char *path)
{
    char bytes[8192];
    struct stat status;
    memset(bytes, 'x', sizeof(bytes));
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_int_equal(write(fd, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
    assert_int_equal(fstat(fd, &status), 0);
    close(fd);
    return status;
}

static void the_same_file_of_the_same_size_full_of_zeros(void **state)
{
    char bytes[8192 + 1], zeros[8192] = "";
    struct stat now, before = make_recording(in(*state, "7-1.rec"));
    if (!rw_spares_add(*state, in(*state, "7-1.rec"))) {
        print_message("this file system makes no holes\n");
        skip();
    }
    assert_int_equal(access(in(*state, "7-1.rec"), F_OK), -1);
    int fd = open(in(*state, "0" RW_SPARE_SUFFIX), O_RDONLY);
    assert_int_equal(fstat(fd, &now), 0);
    assert_int_equal(now.st_ino, before.st_ino);
    assert_int_equal(now.st_size, before.st_size);
    assert_int_equal(read(fd, bytes, sizeof(bytes)), 8192);
    assert_memory_equal(bytes, zeros, sizeof(zeros));
    close(fd);
}

static void room_is_kept_by_few(void **state)
{
    char name[32];
    struct stat status;
    long blocks = 0;
    for (unsigned number = 0; number < RW_SPARES_WITH_ROOM + 9; number++) {
        make_recording(in(*state, "7-1.rec"));
        if (!rw_spares_add(*state, in(*state, "7-1.rec")))
            skip();
        snprintf(name, sizeof(name), "%u" RW_SPARE_SUFFIX, number);
        assert_int_equal(stat(in(*state, name), &status), 0);
        blocks += status.st_blocks;
    }
    assert_int_equal(status.st_blocks, 0);
    assert_in_range(blocks, 0, RW_SPARES_WITH_ROOM * 8192 / 512);
}

static void the_lowest_free_number(void **state)
{
    for (int i = 0; i < 21; i++) {
        make_recording(in(*state, "7-1.rec"));
        if (!rw_spares_add(*state, in(*state, "7-1.rec")))
            skip();
        for (int number = 0; number < 22; number++) {
            char name[32];
            snprintf(name, sizeof(name), "%d" RW_SPARE_SUFFIX, number);
            assert_int_equal(access(in(*state, name), F_OK), number <= i ? 0 : -1);
        }
    }
    assert_int_equal(access(in(*state, "20" RW_SPARE_SUFFIX), F_OK), 0);
    assert_int_equal(unlink(in(*state, "20" RW_SPARE_SUFFIX)), 0); /* a process has taken it */
    make_recording(in(*state, "8-1.rec"));
    assert_true(rw_spares_add(*state, in(*state, "8-1.rec")));
    assert_int_equal(access(in(*state, "20" RW_SPARE_SUFFIX), F_OK), 0);
    assert_int_equal(access(in(*state, "21" RW_SPARE_SUFFIX), F_OK), -1);
}

static void none_of_what_is_no_recording_of_ours(void **state)
{
    make_recording(in(*state, "other"));
    assert_int_equal(symlink(in(*state, "other"), in(*state, "7-1.rec")), 0);
    assert_false(rw_spares_add(*state, in(*state, "7-1.rec")));
    assert_int_equal(link(in(*state, "other"), in(*state, "8-1.rec")), 0);
    assert_false(rw_spares_add(*state, in(*state, "8-1.rec")));
    struct stat status;
    assert_int_equal(stat(in(*state, "other"), &status), 0);
    assert_true(status.st_blocks > 0);
    assert_false(rw_spares_add(*state, in(*state, "9-1.rec")));
}

static void none_that_a_process_has_mapped(void **state)
{
    make_recording(in(*state, "7-1.rec"));
    int fd = open(in(*state, "7-1.rec"), O_RDWR);
    char *mapped = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(mapped, MAP_FAILED);
    close(fd);
    assert_false(rw_spares_add(*state, in(*state, "7-1.rec")));
    assert_int_equal(mapped[0], 'x');
    munmap(mapped, 8192);
    assert_int_equal(access(in(*state, "7-1.rec"), F_OK), 0);
}

/* overlayfs gives a lease though somebody has the file mapped. */
static void none_where_nobody_knows_of_mappings(void **state)
{
    const char *folder = *state;
    int status, fd;
    pid_t child = fork();
    if (child == 0) {
        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("none", folder, "tmpfs", 0, NULL) != 0 || chdir(folder) != 0 || mkdir("lower", 0700) != 0 ||
            mkdir("upper", 0700) != 0 || mkdir("work", 0700) != 0 || mkdir("both", 0700) != 0 ||
            mount("none", "both", "overlay", 0, "lowerdir=lower,upperdir=upper,workdir=work") != 0)
            _exit(77);
        make_recording("both/7-1.rec");
        bool is_taken = rw_spares_add("both", "both/7-1.rec");
        fd = open("both/7-1.rec", O_RDWR);
        char *mapped = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        is_taken |= rw_spares_add("both", "both/7-1.rec");
        _exit(is_taken || mapped == MAP_FAILED || mapped[0] != 'x');
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (status == 77 << 8) {
        print_message("overlayfs cannot be mounted here\n");
        skip();
    }
    assert_int_equal(status, 0);
}

static void nothing_is_left(void **state)
{
    for (int i = 0; i < 3; i++) {
        make_recording(in(*state, "7-1.rec"));
        if (!rw_spares_add(*state, in(*state, "7-1.rec")))
            skip();
    }
    make_recording(in(*state, "7-1.rec"));
    rw_spares_clear(*state);
    assert_int_equal(rmdir(*state), -1);
    assert_int_equal(unlink(in(*state, "7-1.rec")), 0);
    assert_int_equal(rmdir(*state), 0);
    assert_int_equal(mkdir(*state, 0700), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_same_file_of_the_same_size_full_of_zeros, make, clear),
        cmocka_unit_test_setup_teardown(room_is_kept_by_few, make, clear),
        cmocka_unit_test_setup_teardown(the_lowest_free_number, make, clear),
        cmocka_unit_test_setup_teardown(none_of_what_is_no_recording_of_ours, make, clear),
        cmocka_unit_test_setup_teardown(none_that_a_process_has_mapped, make, clear),
        cmocka_unit_test_setup_teardown(none_where_nobody_knows_of_mappings, make, clear),
        cmocka_unit_test_setup_teardown(nothing_is_left, make, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
