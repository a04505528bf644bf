/* SPDX-License-Identifier: MIT */
/* The folder for people and CI: what two runs in it, a hostile one and a full one make of it. */
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <talloc.h>

#include "tests/unit/monitor/scratch.h"
#include "tools/incident/model.h"
#include "tools/monitor/out_folder.h"

struct folder {
    char *path;
    int fd;
};

static int make(void **state)
{
    struct folder *folder = calloc(1, sizeof(*folder));
    folder->path = make_scratch();
    folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY);
    *state = folder;
    return 0;
}

static int clear(void **state)
{
    struct folder *folder = *state;
    close(folder->fd);
    remove_scratch(folder->path);
    free(folder);
    return 0;
}

static struct rw_incident *incident(const char *class_name, const char *sentence)
{
    struct rw_incident *made = rw_incident_new(NULL);
    made->trigger = "cycle";
    made->test = "t.py::test_a";
    made->verdict.class_name = class_name;
    made->verdict.sentence = sentence;
    made->verdict.certainty = RW_EXACT;
    rw_incident_add_process(made, 77);
    return made;
}

static const char *add(struct rw_out *out, const char *class_name)
{
    struct rw_incident *made = incident(class_name, "A waits for B.");
    const char *name;
    assert_int_equal(rw_out_add(out, made, NULL, 0, &name), 0);
    talloc_free(made);
    return name;
}

static json_t *index_of(const struct folder *folder)
{
    char *path = talloc_asprintf(NULL, "%s/index.json", folder->path);
    json_t *index = json_load_file(path, 0, NULL);
    talloc_free(path);
    assert_non_null(index);
    return index;
}

static json_t *entry(const json_t *index, size_t i)
{
    return json_array_get(json_object_get(index, "incidents"), i);
}

static const char *word(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void an_incident_is_a_folder_and_an_entry(void **state)
{
    struct folder *folder = *state;
    struct rw_out *out = rw_out_new(NULL, folder->fd, folder->path, "run-1", "pytest");
    assert_string_equal(add(out, "cycle"), "001-cycle");
    struct stat status;
    assert_int_equal(fstatat(folder->fd, "001-cycle/report.txt", &status, 0), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(fstatat(folder->fd, "001-cycle/incident.json", &status, 0), 0);
    assert_int_equal(fstatat(folder->fd, "001-cycle", &status, 0), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    json_t *index = index_of(folder);
    assert_true(json_is_null(json_object_get(index, "exit"))); /* the run lasts */
    assert_int_equal(json_integer_value(json_object_get(index, "schema")), RW_INCIDENT_SCHEMA);
    assert_string_equal(word(index, "command"), "pytest");
    assert_string_equal(word(entry(index, 0), "class"), "cycle");
    assert_string_equal(word(entry(index, 0), "sentence"), "A waits for B.");
    assert_string_equal(word(entry(index, 0), "test"), "t.py::test_a");
    assert_string_equal(word(entry(index, 0), "path"), "001-cycle");
    json_decref(index);
    rw_out_write_index(out, 3);
    index = index_of(folder);
    assert_int_equal(json_integer_value(json_object_get(index, "exit")), 3);
    json_decref(index);
    talloc_free(out);
}

static void runs_add_to_each_other(void **state)
{
    struct folder *folder = *state;
    struct rw_out *one = rw_out_new(NULL, folder->fd, folder->path, "run-1", "a");
    struct rw_out *two = rw_out_new(NULL, folder->fd, folder->path, "run-2", "b");
    assert_string_equal(add(one, "cycle"), "001-cycle");
    assert_string_equal(add(two, "slow"), "002-slow");
    assert_string_equal(add(one, "pipe"), "003-pipe");
    json_t *index = index_of(folder);
    assert_int_equal(json_array_size(json_object_get(index, "incidents")), 3);
    json_decref(index);
    /* Somebody threw one away: the index follows. */
    assert_int_equal(unlinkat(folder->fd, "001-cycle/report.txt", 0), 0);
    assert_int_equal(unlinkat(folder->fd, "001-cycle/incident.json", 0), 0);
    assert_int_equal(unlinkat(folder->fd, "001-cycle", AT_REMOVEDIR), 0);
    rw_out_write_index(two, 0);
    index = index_of(folder);
    assert_int_equal(json_array_size(json_object_get(index, "incidents")), 2);
    json_decref(index);
    talloc_free(one);
    talloc_free(two);
}

/* Each in a process of its own, as runs are. */
static void runs_at_once_lose_nothing(void **state)
{
    struct folder *folder = *state;
    enum { RUNS = 6, EACH = 8 };
    pid_t children[RUNS];
    for (int i = 0; i < RUNS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            char run[16];
            snprintf(run, sizeof(run), "run-%d", i);
            struct rw_out *out = rw_out_new(NULL, folder->fd, folder->path, run, "a");
            for (int j = 0; j < EACH; j++)
                add(out, "cycle");
            _exit(0);
        }
    }
    for (int i = 0; i < RUNS; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    json_t *index = index_of(folder);
    assert_int_equal(json_array_size(json_object_get(index, "incidents")), RUNS * EACH);
    json_decref(index);
}

static void nothing_is_written_through_a_link(void **state)
{
    struct folder *folder = *state;
    char *victim = talloc_asprintf(NULL, "%s/victim", folder->path);
    FILE *file = fopen(victim, "w");
    fputs("precious", file);
    fclose(file);
    assert_int_equal(symlinkat("victim", folder->fd, "index.json"), 0);
    assert_int_equal(symlinkat(".", folder->fd, "001-cycle"), 0);
    struct rw_out *out = rw_out_new(NULL, folder->fd, folder->path, "run-1", "a");
    assert_string_equal(add(out, "cycle"), "002-cycle");
    struct stat status;
    assert_int_equal(stat(victim, &status), 0);
    assert_int_equal(status.st_size, 8);
    assert_int_equal(fstatat(folder->fd, "index.json", &status, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISREG(status.st_mode)); /* the link was replaced, not followed */
    talloc_free(out);
    talloc_free(victim);
}

static void words_from_elsewhere_do_no_harm(void **state)
{
    struct folder *folder = *state;
    char *name = talloc_asprintf(NULL, "%s/index.json", folder->path);
    FILE *file = fopen(name, "w");
    talloc_free(name);
    fputs("{\"incidents\":[{\"run\":\"x\",\"path\":\"../../etc\"},{\"path\":7},5,null]}", file);
    fclose(file);
    struct rw_out *out = rw_out_new(NULL, folder->fd, folder->path, "run-1", "\xff\xfe");
    assert_string_equal(add(out, "../../a b"), "001-______a_b");
    json_t *index = index_of(folder);
    assert_int_equal(json_array_size(json_object_get(index, "incidents")), 1);
    assert_non_null(strstr(json_string_value(json_array_get(json_object_get(index, "notes"), 0)),
                           "is none of racewatch's: it is index.json.1 now"));
    json_decref(index);
    /* And it is still there. */
    char line[128] = "";
    int kept = openat(folder->fd, "index.json.1", O_RDONLY | O_CLOEXEC);
    assert_true(read(kept, line, sizeof(line) - 1) > 0);
    assert_non_null(strstr(line, "\"run\":\"x\""));
    close(kept);
    assert_int_equal(unlinkat(folder->fd, "index.json.1", 0), 0);
    talloc_free(out);
}

static void those_over_the_limit_are_counted(void **state)
{
    struct folder *folder = *state;
    struct rw_out *out = rw_out_new(NULL, folder->fd, folder->path, "run-1", "a");
    struct rw_incident *made = incident("cycle", "C waits for D.");
    rw_out_count(out, made);
    json_t *index = index_of(folder);
    assert_int_equal(json_integer_value(json_object_get(index, "not_kept")), 1);
    assert_non_null(
        strstr(json_string_value(json_array_get(json_object_get(index, "notes"), 0)), "C waits for D."));
    json_decref(index);
    talloc_free(made);
    talloc_free(out);
}

static json_t *one_test(const char *run)
{
    return json_pack("[{s:s,s:s}]", "test", "t.py::test_a", "run", run);
}

static void tests_stay_as_long_as_their_run_has_incidents(void **state)
{
    struct folder *folder = *state;
    struct rw_out *first = rw_out_new(NULL, folder->fd, folder->path, "run-1", "pytest");
    struct rw_out *second = rw_out_new(NULL, folder->fd, folder->path, "run-2", "pytest");
    struct rw_out *third = rw_out_new(NULL, folder->fd, folder->path, "run-3", "pytest");
    rw_out_set_tests(first, one_test("run-1"));
    add(first, "cycle");
    rw_out_set_tests(second, one_test("run-2"));
    assert_int_equal(rw_out_write_index(second, 0), 0);
    assert_int_equal(rw_out_write_index(third, 0), 0);
    json_t *index = index_of(folder), *tests = json_object_get(index, "tests");
    assert_int_equal(json_array_size(tests), 1);
    assert_string_equal(word(json_array_get(tests, 0), "run"), "run-1");
    json_decref(index);
    talloc_free(first);
    talloc_free(second);
    talloc_free(third);
}

/* It is there, but there is no descriptor left to read it with: that makes it nobody else's. */
static void an_index_that_cannot_be_read_now_stays(void **state)
{
    struct folder *folder = *state;
    struct rw_out *first = rw_out_new(NULL, folder->fd, folder->path, "run-1", "pytest");
    struct rw_out *second = rw_out_new(NULL, folder->fd, folder->path, "run-2", "pytest");
    struct rlimit before, few;
    add(first, "cycle");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int next = dup(folder->fd);
    close(next);
    few = (struct rlimit){(rlim_t)next + 1, before.rlim_max}; /* one is for the lock */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int error = rw_out_write_index(second, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(error < 0);
    assert_int_equal(faccessat(folder->fd, "index.json.1", F_OK, AT_SYMLINK_NOFOLLOW), -1);
    json_t *index = index_of(folder);
    assert_int_equal(json_array_size(json_object_get(index, "incidents")), 1);
    json_decref(index);
    talloc_free(first);
    talloc_free(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_incident_is_a_folder_and_an_entry, make, clear),
        cmocka_unit_test_setup_teardown(runs_add_to_each_other, make, clear),
        cmocka_unit_test_setup_teardown(runs_at_once_lose_nothing, make, clear),
        cmocka_unit_test_setup_teardown(nothing_is_written_through_a_link, make, clear),
        cmocka_unit_test_setup_teardown(words_from_elsewhere_do_no_harm, make, clear),
        cmocka_unit_test_setup_teardown(those_over_the_limit_are_counted, make, clear),
        cmocka_unit_test_setup_teardown(tests_stay_as_long_as_their_run_has_incidents, make, clear),
        cmocka_unit_test_setup_teardown(an_index_that_cannot_be_read_now_stays, make, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
