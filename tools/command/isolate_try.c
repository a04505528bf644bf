/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <talloc.h>

#include "shim/recording.h"
#include "tools/basics/clock.h"
#include "tools/basics/folders.h"
#include "tools/command/found.h"
#include "tools/command/isolate.h"
#include "tools/command/tell.h"
#include "tools/incident/json.h"
#include "tools/incident/words.h"
#include "tools/monitor/publish.h"

/* What is stuck is told early, whatever these are; they are for what has to be waited for. Only where the
 * hang is of that kind: a test that merely waits for long must not be taken for one. */
#define STUCK_LIMITS "--timeout=10", "--test-timeout=10"
#define TRY_LEAST_S 120.0
#define PYTEST_INTERRUPTED 2
#define PYTEST_NO_TESTS 5

bool rw_isolate_is_test(const char *name, const char *id)
{
    size_t length = strlen(name);
    return strcmp(name, id) == 0 || (length == RW_TEST_NAME_MAX - 1 && strncmp(name, id, length) == 0);
}

const char *rw_isolate_test_of(const struct rw_incident *incident)
{
    const char *test = incident->test != NULL ? incident->test : incident->verdict.test;
    return test != NULL && *test != '\0' ? test : NULL;
}

static bool is_hang(const struct rw_incident *incident, const char *class_name)
{
    static const char *const weak[] = {"unknown", "other-process"};
    static const char *const asked[] = {"signal", "dump", "misuse"};
    const char *own = incident->verdict.class_name;
    if (own == NULL || rw_is_race_class(own) || strcmp(own, "crash") == 0)
        return false;
    for (size_t i = 0; incident->trigger != NULL && i < sizeof(asked) / sizeof(asked[0]); i++)
        if (strcmp(incident->trigger, asked[i]) == 0)
            return false;
    if (rw_class_is_hang(own))
        return true;
    for (size_t i = 0; i < sizeof(weak) / sizeof(weak[0]); i++)
        if (strcmp(own, weak[i]) == 0)
            return class_name == NULL || strcmp(own, class_name) == 0;
    return false;
}

struct rw_incident *rw_isolate_find(void *parent, const char *path, const char *test, const char *class_name,
                                    const char **report)
{
    struct rw_found found = {0};
    void *scratch = talloc_new(parent);
    struct rw_incident *result = NULL;
    char *why = NULL;
    if (rw_find(scratch, path, &found, &why) != 0)
        found.incident_count = 0;
    for (size_t i = 0; i < found.incident_count && result == NULL; i++) {
        struct rw_incident *incident = rw_incident_read(scratch, found.incidents[i], O_NOFOLLOW, &why);
        const char *name = incident != NULL ? rw_isolate_test_of(incident) : NULL;
        if (name == NULL || (test != NULL && !rw_isolate_is_test(name, test)) ||
            !is_hang(incident, class_name))
            continue;
        result = talloc_steal(parent, incident);
        const char *slash = strrchr(found.incidents[i], '/');
        *report =
            talloc_asprintf(parent, "%.*s/report.txt", slash != NULL ? (int)(slash - found.incidents[i]) : 1,
                            slash != NULL ? found.incidents[i] : ".");
    }
    talloc_free(scratch);
    return result;
}

static bool is_enough(void *context)
{
    const struct isolate *isolate = context;
    void *scratch = talloc_new(NULL);
    const char *report;
    bool is_there =
        rw_isolate_find(scratch, isolate->scratch, isolate->test, isolate->class_name, &report) != NULL;
    talloc_free(scratch);
    return is_there;
}

static int make_scratch(struct isolate *isolate, char **why)
{
    isolate->number++;
    isolate->scratch = talloc_asprintf(isolate, "%s/try-%03zu", isolate->out, isolate->number);
    rw_remove_tree(isolate->scratch); /* of an isolate before this one that had our number */
    if (mkdir(isolate->scratch, 0700) == 0)
        return 0;
    *why = talloc_asprintf(isolate, "cannot make %s: %s", isolate->scratch, strerror(errno));
    return -errno;
}

/* pytest found fault with the command: whatever it did, it did not run the test. */
static int check_code(struct isolate *isolate, int code, char **why)
{
    if (code == 126 || code == 127) {
        *why = talloc_asprintf(isolate, "%s cannot be run", isolate->command[0]);
        return -ENOEXEC;
    }
    if (code < PYTEST_INTERRUPTED || code > PYTEST_NO_TESTS)
        return 0;
    *why = talloc_asprintf(isolate, "pytest ended with status %d and ran no test: see %s/stdout and stderr",
                           code, isolate->scratch);
    return -EPROTO;
}

/* Runs it, and looks what is in the folder then. As rw_isolate_try(), with the exit status. */
static int run(struct isolate *isolate, char *const *argv, double end_s, int *code, char **why)
{
    int status = 0;
    double begin_s = rw_now_s();
    const struct rw_child_run child = {
        .signals = &isolate->signals,
        .argv = argv,
        .is_own = true,
        .output = isolate->scratch,
        .end_s = end_s < isolate->end_s ? end_s : isolate->end_s,
        .is_enough = is_enough,
        .context = isolate,
    };
    int error = rw_child_run(&child, &status);
    double took_s = rw_now_s() - begin_s;
    *code = error == 0 ? rw_child_code(status) : 0;
    if (error == -EINTR)
        return error;
    if (error != 0 && error != -ETIMEDOUT && error != -ECANCELED) {
        *why = talloc_asprintf(isolate, "cannot run racewatch itself: %s", strerror(-error));
        return error;
    }
    const char *report = NULL;
    struct rw_incident *incident =
        rw_isolate_find(isolate, isolate->scratch, isolate->test, isolate->class_name, &report);
    if (took_s > isolate->longest_s)
        isolate->longest_s = took_s;
    if (incident != NULL) {
        /* The first and the last one are kept: those between them tell the same. */
        if (isolate->kept != NULL)
            rw_remove_tree(isolate->kept);
        isolate->kept = isolate->number > 1 ? isolate->scratch : NULL;
        isolate->incident = incident;
        isolate->report = report;
        fprintf(stderr, "hung after %.1f s (%s)\n", took_s, incident->verdict.class_name);
        return 1;
    }
    if (error == -ETIMEDOUT) {
        fprintf(stderr, "was not over after %.1f s\n", took_s);
        return rw_now_s() >= isolate->end_s ? -ETIME : 0;
    }
    fprintf(stderr, "did not hang, %.1f s, exit status %d\n", took_s, *code);
    return 0;
}

static void begin_argv(const struct isolate *isolate, void *scratch, char ***argv)
{
    rw_argv_add(scratch, argv, "racewatch");
    rw_argv_add(scratch, argv, "run");
    rw_argv_add(scratch, argv, talloc_asprintf(scratch, "--dir=%s", isolate->scratch));
    rw_argv_add(scratch, argv, "--on-hang=kill");
    rw_argv_add(scratch, argv, "--error-exitcode=0");
}

int rw_isolate_first(struct isolate *isolate, char **why)
{
    int code = 0, error = make_scratch(isolate, why);
    if (error != 0)
        return error;
    char **argv = NULL;
    begin_argv(isolate, isolate, &argv);
    rw_argv_add(isolate, &argv, "--");
    for (size_t i = 0; isolate->command[i] != NULL; i++)
        rw_argv_add(isolate, &argv, isolate->command[i]);
    fprintf(stderr, "racewatch isolate: try 1: the command as it is: ");
    int hung = run(isolate, argv, isolate->end_s, &code, why);
    isolate->first_code = code;
    error = hung == 0 ? check_code(isolate, code, why) : 0;
    if (error != 0)
        return error;
    if (hung == 0)
        rw_remove_tree(isolate->scratch);
    return hung;
}

int rw_isolate_try(struct isolate *isolate, const size_t *tests, size_t count, char **why)
{
    static const char *const limits[] = {STUCK_LIMITS};
    const struct rw_options *options = isolate->options;
    const bool is_set[] = {options->is_set.timeout, options->is_set.test_timeout};
    if (rw_now_s() >= isolate->end_s)
        return -ETIME;
    int code = 0, error = make_scratch(isolate, why);
    if (error != 0)
        return error;
    void *scratch = talloc_new(isolate);
    char **argv = NULL;
    begin_argv(isolate, scratch, &argv);
    for (size_t i = 0; i < 2; i++)
        if (isolate->is_strong && !is_set[i])
            rw_argv_add(scratch, &argv, limits[i]);
    rw_argv_add(scratch, &argv, "--");
    size_t *all = talloc_array(scratch, size_t, (unsigned)count + 1);
    memcpy(all, tests, count * sizeof(*tests));
    all[count] = isolate->target;
    rw_pytest_command(isolate->pytest, scratch, &argv, all, count + 1);
    if (count == 0)
        fprintf(stderr, "racewatch isolate: try %zu: the test alone: ", isolate->number);
    else
        fprintf(stderr, "racewatch isolate: try %zu: after %zu other%s: ", isolate->number, count,
                count == 1 ? "" : "s");
    double limit_s = 10 * isolate->longest_s;
    int hung = run(isolate, argv, rw_now_s() + (limit_s > TRY_LEAST_S ? limit_s : TRY_LEAST_S), &code, why);
    talloc_free(scratch);
    error = hung == 0 ? check_code(isolate, code, why) : 0;
    if (error != 0)
        return error;
    if (hung <= 0)
        rw_remove_tree(isolate->scratch);
    return hung;
}

void rw_isolate_tell_command(const struct isolate *isolate, const size_t *tests, size_t count)
{
    void *scratch = talloc_new(NULL);
    char **argv = NULL;
    size_t *all = talloc_array(scratch, size_t, (unsigned)count + 1);
    memcpy(all, tests, count * sizeof(*tests));
    all[count] = isolate->target;
    rw_pytest_command(isolate->pytest, scratch, &argv, all, count + 1);
    rw_tell(stdout, "%s", rw_shell_words(talloc_strdup(scratch, "again: racewatch run --"), argv));
    talloc_free(scratch);
}
