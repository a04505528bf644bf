/* SPDX-License-Identifier: MIT */
#include "tools/command/isolate_answer.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <talloc.h>

#include "tools/command/ddmin.h"
#include "tools/command/tell.h"
#include "tools/incident/left.h"

/* As often a test is tried after all others before it is said that it does not hang. */
#define PATIENCE 20
/* A set that hangs as often as all did goes unnoticed with this probability. */
#define MISSED 0.05

struct search {
    struct isolate *isolate;
    char **why;
};

/* How often it hung in up to `most` tries; less than that if it is enough to know that it does. */
static int count_hangs(struct isolate *isolate, const size_t *tests, size_t count, size_t most,
                       bool is_first_enough, size_t *hung, size_t *tried, char **why)
{
    *hung = *tried = 0;
    while (*tried < most && !(is_first_enough && *hung > 0)) {
        int result = rw_isolate_try(isolate, tests, count, why);
        if (result < 0)
            return result;
        ++*tried;
        *hung += (size_t)result;
    }
    return 0;
}

static int probe(void *context, const size_t *tests, size_t count)
{
    struct search *search = context;
    size_t hung, tried;
    int error = count_hangs(search->isolate, tests, count, search->isolate->repeats, true, &hung, &tried,
                            search->why);
    return error != 0 ? error : hung > 0;
}

/* So often that a set that hangs in this share of its runs is not missed. */
static size_t repeats_for(size_t hung, size_t tried)
{
    if (hung >= tried)
        return 1;
    double missed = 1 - (double)hung / (double)tried;
    double repeats = ceil(log(MISSED) / log(missed));
    return repeats < PATIENCE ? (size_t)repeats : PATIENCE;
}

/* The tests before it that the report names as those that left something. */
static size_t suspects(const struct isolate *isolate, const struct rw_incident *incident, size_t *tests)
{
    size_t count = 0;
    for (size_t i = 0; i < isolate->target; i++) {
        char *left = rw_left_words(NULL, incident, isolate->pytest->ids[i]);
        if (left != NULL)
            tests[count++] = i;
        talloc_free(left);
    }
    return count;
}

static void tell_report(const struct isolate *isolate)
{
    if (isolate->report != NULL)
        printf("report: %s\n", isolate->report);
}

static void tell_company(const struct isolate *isolate, const size_t *tests, size_t count,
                         const char *how_often)
{
    if (count == 1) {
        const char *other = isolate->pytest->ids[tests[0]];
        char *left = rw_left_words(NULL, isolate->incident, other);
        rw_tell(stdout, "%s hangs only after %s%s%s %s", isolate->test, other,
                left != NULL ? ", which leaves " : "", left != NULL ? left : "", how_often);
        talloc_free(left);
        return;
    }
    rw_tell(stdout, "%s hangs only after %zu others together %s", isolate->test, count, how_often);
}

static void tell_others(const struct isolate *isolate, const size_t *tests, size_t count)
{
    for (size_t i = 0; count > 1 && i < count; i++) {
        char *left = rw_left_words(NULL, isolate->incident, isolate->pytest->ids[tests[i]]);
        rw_tell(stdout, "  %s%s%s", isolate->pytest->ids[tests[i]], left != NULL ? ", which leaves " : "",
                left != NULL ? left : "");
        talloc_free(left);
    }
}

/* Fewer and fewer tests. *count of `tests` is what is left of them. */
static int reduce(struct isolate *isolate, size_t *tests, size_t *count, char **why)
{
    struct search search = {isolate, why};
    size_t *suspected = talloc_array(isolate, size_t, (unsigned)*count);
    size_t suspect_count = suspects(isolate, isolate->incident, suspected);
    int hung = suspect_count > 0 && suspect_count < *count ? probe(&search, suspected, suspect_count) : 0;
    if (hung < 0)
        return hung;
    if (hung == 1) {
        memcpy(tests, suspected, suspect_count * sizeof(*tests));
        *count = suspect_count;
    }
    return rw_ddmin(probe, &search, tests, count);
}

static int answer_company(struct isolate *isolate, size_t *tests, size_t alone, int *status, char **why)
{
    size_t count = isolate->target, hung = 0, tried = 0;
    int error = reduce(isolate, tests, &count, why);
    if (error != 0 && error != -ETIME)
        return error;
    bool is_time_over = error == -ETIME;
    if (!is_time_over) {
        error = count_hangs(isolate, tests, count, isolate->tries, false, &hung, &tried, why);
        if (error != 0 && error != -ETIME)
            return error;
    }
    if (is_time_over) {
        rw_tell(stdout,
                "the time is over: %s hangs after these %zu of the %zu tests before it (0 of %zu alone); "
                "fewer may do",
                isolate->test, count, isolate->target, alone);
    } else {
        char how_often[96];
        snprintf(how_often, sizeof(how_often), "(%zu of %zu runs; 0 of %zu alone)", hung, tried, alone);
        tell_company(isolate, tests, count, how_often);
        *status = 0;
    }
    tell_others(isolate, tests, count);
    rw_isolate_tell_command(isolate, tests, count);
    tell_report(isolate);
    return is_time_over ? -ETIME : 0;
}

int rw_isolate_answer(struct isolate *isolate, int *status, char **why)
{
    size_t hung, tried, alone, all = isolate->target;
    size_t *tests = talloc_array(isolate, size_t, (unsigned)all + 1);
    *status = 1;
    int error = count_hangs(isolate, NULL, 0, isolate->tries, false, &hung, &alone, why);
    if (hung > 0 && (error == 0 || error == -ETIME)) {
        rw_tell(stdout, "%s hangs alone (%zu of %zu runs)", isolate->test, hung, alone);
        rw_isolate_tell_command(isolate, NULL, 0);
        tell_report(isolate);
        *status = 0;
        return 0;
    }
    for (size_t i = 0; i < all; i++)
        tests[i] = i;
    tried = hung = 0;
    if (error == 0 && all > 0)
        error = count_hangs(isolate, tests, all, isolate->tries, false, &hung, &tried, why);
    if (error == 0 && all > 0 && hung == 0 && isolate->tries < PATIENCE) {
        size_t more;
        error = count_hangs(isolate, tests, all, PATIENCE - isolate->tries, true, &hung, &more, why);
        tried += more;
    }
    if (hung > 0 && (error == 0 || error == -ETIME)) {
        isolate->repeats = repeats_for(hung, tried);
        return answer_company(isolate, tests, alone, status, why);
    }
    if (error == 0 || error == -ETIME)
        rw_tell(
            stdout,
            "%s could not be made to hang again: 0 of %zu runs alone, 0 of %zu after the %zu tests before "
            "it%s%s",
            isolate->test, alone, tried, all, error == 0 ? "" : ", and the time is over",
            isolate->pytest->was_parallel ? "; it hung while others ran beside it (xdist)" : "");
    return error;
}
