/* SPDX-License-Identifier: MIT */
/*
 * How few switches between threads a failure takes: those of the run that failed are left out by delta
 * debugging, and each try is a replay of what is left. A replay that fails alike proves itself; what its
 * other switches would have been does not matter, for it decides by rule where the file says nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <talloc.h>

#include "tools/basics/clock.h"
#include "tools/command/ddmin.h"
#include "tools/command/found.h"
#include "tools/command/hunt.h"
#include "tools/incident/json.h"
#include "tools/postmortem/schedule_words.h"
#include "tools/recording/schedule_file.h"

#define LONGEST_S 60.0 /* for each failure */
#define FAILURES_MAX 5
#define SHOWN_MAX 6

struct minimising {
    struct hunt *hunt;
    const struct hunt_failure *failure;
    const struct rw_schedule *schedule;
    const char *trial; /* path of the file that is replayed */
    size_t runs;
    double end_s;
    char **why;
};

/* 1: with these switches alone it fails alike. */
static int probe(void *context, const size_t *kept, size_t count)
{
    struct minimising *minimising = context;
    if (minimising->runs >= minimising->hunt->minimise_limit || rw_now_s() > minimising->end_s)
        return -ETIME;
    minimising->runs++;
    int error = rw_schedule_write(minimising->schedule, kept, count, minimising->trial);
    if (error != 0)
        return error;
    return rw_hunt_rerun(minimising->hunt, minimising->failure, minimising->trial, minimising->why);
}

/* ddmin leaves sets of which no single one can go. But switches come in pairs, there and back: so two at once
 * are tried as well. */
static int drop_pairs(struct minimising *minimising, size_t *kept, size_t *count)
{
    size_t *trial = talloc_array(NULL, size_t, (unsigned)*count);
    int result = 0;
    for (size_t i = 0; i + 2 < *count && result >= 0;) {
        memcpy(trial, kept, i * sizeof(*kept));
        memcpy(trial + i, kept + i + 2, (*count - i - 2) * sizeof(*kept));
        result = probe(minimising, trial, *count - 2);
        i++;
        if (result == 1) {
            *count -= 2;
            memcpy(kept, trial, *count * sizeof(*kept));
            i = 0;
        }
    }
    talloc_free(trial);
    return result < 0 ? result : 0;
}

/* The schedule of a folder that `is_it`; of several processes', the one with the most switches. `place` 0:
 * any process. *switching: how many processes have switches. */
static struct rw_schedule *find_schedule(void *parent, const char *folder, uint64_t place, char **path,
                                         size_t *switching)
{
    char *pattern = talloc_asprintf(parent, "%s/recordings/*/*.schedule", folder);
    struct rw_schedule *best = NULL;
    glob_t paths;
    *switching = 0;
    if (glob(pattern, 0, NULL, &paths) != 0)
        return NULL;
    for (size_t i = 0; i < paths.gl_pathc; i++) {
        struct rw_schedule *schedule = NULL;
        if (rw_schedule_read(parent, paths.gl_pathv[i], &schedule) != 0)
            continue;
        *switching += schedule->header.switch_count > 0;
        if ((place != 0 && schedule->header.place != place) ||
            (best != NULL && best->header.switch_count >= schedule->header.switch_count)) {
            talloc_free(schedule);
            continue;
        }
        best = schedule;
        *path = talloc_strdup(parent, paths.gl_pathv[i]);
    }
    globfree(&paths);
    return best;
}

static json_t *switch_json(struct rw_schedule_words *words, const struct rw_schedule_switch *item)
{
    json_t *json = json_object();
    json_object_set_new(json, "thread", json_string(rw_schedule_thread_name(words, item->from)));
    json_object_set_new(json, "next", json_string(rw_schedule_thread_name(words, item->to)));
    json_object_set_new(json, "place", json_string(rw_schedule_place(words, item)));
    json_object_set_new(json, "is_preemption", json_boolean(item->was_able));
    return json;
}

/* "2 preemptions: T1 at f:12, T2 at g:30", or of the others, which had to wait, and the rule would have had
 * another thread go on. */
static char *list(char *text, const struct rw_schedule *schedule, struct rw_schedule_words *words,
                  bool are_preemptions)
{
    size_t count = 0;
    for (size_t i = 0; i < schedule->header.switch_count; i++)
        count += schedule->switches[i].was_able == (uint32_t)are_preemptions;
    if (count == 0)
        return text;
    const char *what = are_preemptions ? (count == 1 ? "preemption" : "preemptions")
                                       : (count == 1 ? "choice of who goes on" : "choices of who goes on");
    text = talloc_asprintf_append(text, "%s%zu %s", *text != '\0' ? "; " : "", count, what);
    size_t shown = 0;
    for (size_t i = 0; i < schedule->header.switch_count; i++) {
        const struct rw_schedule_switch *item = &schedule->switches[i];
        if (item->was_able != (uint32_t)are_preemptions)
            continue;
        if (shown++ == SHOWN_MAX)
            return talloc_asprintf_append(text, ", ...");
        text = talloc_asprintf_append(text, "%s%s at %s", shown == 1 ? ": " : ", ",
                                      rw_schedule_thread_name(words, item->from),
                                      rw_schedule_place(words, item));
        if (!are_preemptions)
            text = talloc_asprintf_append(text, ", then %s", rw_schedule_thread_name(words, item->to));
    }
    return text;
}

/* What the run in hunt->scratch did is what is told, and its choices are what is kept. */
static void tell(struct hunt *hunt, struct hunt_failure *failure, uint64_t place)
{
    void *scratch = talloc_new(NULL);
    char *path = NULL, *why = NULL;
    size_t switching;
    struct rw_schedule *schedule = find_schedule(scratch, hunt->scratch, place, &path, &switching);
    struct rw_found folder = {0};
    const struct rw_incident *incident = NULL;
    if (schedule == NULL) {
        talloc_free(scratch);
        return;
    }
    if (rw_find(scratch, hunt->scratch, &folder, &why) == 0 && folder.incident_count > 0)
        incident = rw_incident_read(scratch, folder.incidents[0], O_NOFOLLOW, &why);
    struct rw_schedule_words *words = rw_schedule_words(scratch, schedule, path, incident);
    char *text = list(list(talloc_strdup(hunt, ""), schedule, words, true), schedule, words, false);
    if (*text == '\0')
        text = talloc_strdup(hunt, "no preemption: it fails where each thread goes on for as long as it can");
    char *minimal = talloc_asprintf(hunt, "%s/minimal.schedule", failure->path);
    rename(talloc_asprintf(scratch, "%.*s.maps", (int)(strrchr(path, '.') - path), path),
           talloc_asprintf(scratch, "%s/minimal.maps", failure->path));
    if (rename(path, minimal) == 0) {
        failure->minimal = minimal;
        failure->switches = text;
        failure->switch_list = json_array();
        for (size_t i = 0; i < schedule->header.switch_count; i++)
            json_array_append_new(failure->switch_list, switch_json(words, &schedule->switches[i]));
    }
    talloc_free(scratch);
}

/* Why there is no smallest set of switches, of those of the run that failed. */
static void tell_not(struct minimising *minimising, struct hunt_failure *failure, bool fails,
                     size_t switching)
{
    struct hunt *hunt = minimising->hunt;
    if (fails)
        failure->unminimised = talloc_asprintf(
            hunt,
            "not minimised: what was left of its switches did not make it fail alike again, after %zu runs",
            minimising->runs);
    else if (switching > 1)
        failure->unminimised = talloc_asprintf(
            hunt,
            "not minimised: %zu of its processes have switches, and a replay of those of one does "
            "not fail alike",
            switching);
    else
        failure->unminimised = talloc_strdup(
            hunt, minimising->schedule != NULL ? "not minimised: a replay of its switches does not fail alike"
                                               : "not minimised: the run left no file of its choices");
}

static void tell_limits(const struct minimising *minimising, struct hunt_failure *failure, bool is_cut,
                        size_t runs, size_t switching)
{
    struct hunt *hunt = minimising->hunt;
    if (!is_cut && switching > 1)
        failure->unminimised = talloc_asprintf(
            hunt, "these are of one process alone: %zu have switches, and the others go as the seed says",
            switching);
    if (!is_cut)
        return;
    failure->unminimised =
        talloc_asprintf(hunt, "perhaps fewer are enough: minimising ended after %zu runs, %s", runs,
                        runs >= hunt->minimise_limit ? "as many as it may make" : "when its minute was over");
}

static int minimise(struct hunt *hunt, struct hunt_failure *failure, char **why)
{
    void *scratch = talloc_new(NULL);
    char *path = NULL;
    size_t switching;
    struct minimising minimising = {
        .hunt = hunt,
        .failure = failure,
        .schedule = find_schedule(scratch, failure->path, 0, &path, &switching),
        .trial = talloc_asprintf(scratch, "%s/hunt-%d.schedule", hunt->out, (int)getpid()),
        .end_s = rw_now_s() + LONGEST_S,
        .why = why,
    };
    size_t count = minimising.schedule != NULL ? minimising.schedule->header.switch_count : 0;
    size_t *kept = talloc_array(scratch, size_t, (unsigned)count + 1);
    for (size_t i = 0; i < count; i++)
        kept[i] = i;
    int result = minimising.schedule != NULL ? probe(&minimising, kept, count) : 0;
    bool fails = result == 1;
    if (fails && count > 0) {
        result = probe(&minimising, kept, 0);
        if (result == 1)
            count = 0;
        else if (result == 0)
            result = rw_ddmin(probe, &minimising, kept, &count);
        size_t before = count;
        if (result == 0 && count > 2)
            result = drop_pairs(&minimising, kept, &count);
        if (result == 0 && count > 1 && count < before)
            result = rw_ddmin(probe, &minimising, kept, &count);
    }
    /* The last try need not have been the one that stays. */
    if (fails && (result >= 0 || result == -ETIME)) {
        bool is_cut = result == -ETIME;
        size_t runs = minimising.runs;
        minimising.end_s += LONGEST_S;
        minimising.runs = 0;
        result = probe(&minimising, kept, count);
        if (result == 1)
            tell(hunt, failure, minimising.schedule->header.place);
        if (result == 1)
            tell_limits(&minimising, failure, is_cut, runs, switching);
        minimising.runs = runs + 1;
    }
    if (result == 0)
        tell_not(&minimising, failure, fails, switching);
    unlink(minimising.trial);
    talloc_free(scratch);
    return result == -EINTR || result == -ETIME || result > 0 ? 0 : result;
}

/* A replay's path is passed on in RACEWATCH_OPTIONS, where a colon ends it. */
int rw_hunt_minimise(struct hunt *hunt, char **why)
{
    size_t done = 0;
    int error = 0;
    for (size_t i = 0; i < hunt->failure_count && error == 0 && done < FAILURES_MAX; i++) {
        struct hunt_failure *failure = &hunt->failures[i];
        if (hunt->minimise_limit == 0 || hunt->is_interrupted || failure->how != HUNT_SERIAL ||
            failure->perturbed == 0 || failure->path == NULL || strchr(hunt->out, ':') != NULL)
            continue;
        done++;
        error = minimise(hunt, failure, why);
    }
    return error;
}
