/* SPDX-License-Identifier: MIT */
/* The session's folder: what is made, what is left, and what is never followed. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <talloc.h>

#include "tests/unit/monitor/scratch.h"
#include "tools/monitor/session.h"

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

static struct rw_session *create(const char *dir)
{
    struct rw_session *session;
    char *why;
    assert_int_equal(rw_session_create(NULL, dir, &session, &why), 0);
    return session;
}

static bool exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

static void nothing_is_left(void **state)
{
    char *out = talloc_asprintf(NULL, "%s/new/out", (char *)*state);
    struct rw_session *session = create(out);
    struct stat status;
    assert_int_equal(stat(session->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_true(session->made_out);
    assert_true(rw_session_is_watched(session->path));
    assert_int_equal(rw_session_remove(session), 0);
    rw_session_close(session);
    assert_false(exists(out));
    talloc_free(out);
}

static void a_folder_that_was_there_stays(void **state)
{
    struct rw_session *session = create(*state);
    assert_false(session->made_out);
    rw_session_remove(session);
    rw_session_close(session);
    char *recordings = talloc_asprintf(NULL, "%s/recordings", (char *)*state);
    assert_true(exists(*state));
    assert_false(exists(recordings));
    talloc_free(recordings);
}

static void the_last_of_several_clears_away(void **state)
{
    char *out = talloc_asprintf(NULL, "%s/out", (char *)*state);
    struct rw_session *first = create(out), *second = create(out);
    assert_true(first->made_out && !second->made_out);
    rw_session_remove(first);
    rw_session_close(first);
    assert_true(exists(second->path));
    rw_session_remove(second);
    rw_session_close(second);
    assert_false(exists(out));
    talloc_free(out);
}

static void reports_keep_the_folder(void **state)
{
    char *out = talloc_asprintf(NULL, "%s/out", (char *)*state);
    struct rw_session *session = create(out);
    char *index = talloc_asprintf(NULL, "%s/index.json", out);
    fclose(fopen(index, "w"));
    rw_session_remove(session);
    rw_session_close(session);
    assert_true(exists(index));
    talloc_free(index);
    talloc_free(out);
}

static void a_session_that_is_used_is_not_removed(void **state)
{
    struct rw_session *session = create(*state);
    char *recording = talloc_asprintf(NULL, "%s/1-2.rec", session->path);
    fclose(fopen(recording, "w"));
    assert_int_equal(rw_session_remove(session), -ENOTEMPTY);
    rw_session_close(session);
    assert_true(exists(recording));
    talloc_free(recording);
}

static void no_link_is_followed_inside(void **state)
{
    char *link = talloc_asprintf(NULL, "%s/recordings", (char *)*state), *why;
    char *target = talloc_asprintf(NULL, "%s/elsewhere", (char *)*state);
    struct rw_session *session;
    mkdir(target, 0700);
    assert_int_equal(symlink(target, link), 0);
    assert_int_not_equal(rw_session_create(NULL, *state, &session, &why), 0);
    assert_int_equal(rmdir(target), 0); /* nothing was made in it */
    talloc_free(why);
    talloc_free(link);
    talloc_free(target);
}

static void what_cannot_be_made_is_said(void **state)
{
    char *file = talloc_asprintf(NULL, "%s/file", (char *)*state), *why;
    struct rw_session *session;
    fclose(fopen(file, "w"));
    assert_int_equal(rw_session_create(NULL, file, &session, &why), -ENOTDIR);
    assert_non_null(strstr(why, file));
    assert_null(session);
    char *open_why;
    assert_int_not_equal(rw_session_open(NULL, *state, false, &session, &open_why),
                         0); /* no session's place */
    talloc_free(why);
    talloc_free(open_why);
    talloc_free(file);
}

static void the_monitor_finds_what_the_shim_made(void **state)
{
    char *out = talloc_asprintf(NULL, "%s/out", (char *)*state);
    char *path = talloc_asprintf(NULL, "%s/recordings/5f-1-aaaa", out), *why;
    char *recordings = talloc_asprintf(NULL, "%s/recordings", out);
    mkdir(out, 0700);
    mkdir(recordings, 0700);
    mkdir(path, 0700);
    assert_false(rw_session_is_watched(path));
    struct rw_session *session;
    assert_int_equal(rw_session_open(NULL, path, true, &session, &why), 0);
    assert_string_equal(session->out, out);
    assert_string_equal(session->name, "5f-1-aaaa");
    assert_true(rw_session_is_watched(path));
    rw_session_remove(session);
    rw_session_close(session);
    assert_false(exists(out));
    talloc_free(out);
    talloc_free(path);
    talloc_free(recordings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_left, make, clear),
        cmocka_unit_test_setup_teardown(a_folder_that_was_there_stays, make, clear),
        cmocka_unit_test_setup_teardown(the_last_of_several_clears_away, make, clear),
        cmocka_unit_test_setup_teardown(reports_keep_the_folder, make, clear),
        cmocka_unit_test_setup_teardown(a_session_that_is_used_is_not_removed, make, clear),
        cmocka_unit_test_setup_teardown(no_link_is_followed_inside, make, clear),
        cmocka_unit_test_setup_teardown(what_cannot_be_made_is_said, make, clear),
        cmocka_unit_test_setup_teardown(the_monitor_finds_what_the_shim_made, make, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
