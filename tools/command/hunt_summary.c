/* SPDX-License-Identifier: MIT */
/* What a hunt says: where it is, and what it found. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <talloc.h>

#include "tools/basics/clock.h"
#include "tools/basics/files.h"
#include "tools/command/hunt.h"
#include "tools/command/tell.h"
#include "tools/incident/json.h"

#define LINE_EACH_S 10.0 /* where stderr is no terminal */

void rw_hunt_show_progress(const struct hunt *hunt, uint64_t seed, bool is_news)
{
    static double last_s;
    bool is_terminal = isatty(STDERR_FILENO);
    double now = rw_now_s(), took = now - hunt->begin_s;
    if (!is_terminal && !is_news && now - last_s < LINE_EACH_S)
        return;
    last_s = now;
    fprintf(stderr, "%sracewatch hunt: %zu", is_terminal ? "\r\033[K" : "", hunt->runs);
    if (hunt->run_limit != SIZE_MAX)
        fprintf(stderr, " of %zu", hunt->run_limit);
    fprintf(stderr, " perturbed runs");
    if (hunt->runs > 0)
        fprintf(stderr, " (seed %llu)", (unsigned long long)seed);
    fprintf(stderr, ", %zu failed; %zu plain; %zu way%s to fail so far; %.1f runs/s%s", hunt->failed_runs,
            hunt->plain_runs, hunt->failure_count, hunt->failure_count == 1 ? "" : "s",
            (double)(hunt->runs + hunt->plain_runs) / (took > 0 ? took : 1), is_terminal ? "" : "\n");
    fflush(stderr);
}

/* Most often first. */
static int compare(const void *a, const void *b)
{
    const struct hunt_failure *left = a, *right = b;
    if (left->perturbed != right->perturbed)
        return left->perturbed < right->perturbed ? 1 : -1;
    return left->plain < right->plain ? 1 : left->plain > right->plain ? -1 : strcmp(left->key, right->key);
}

/* What does it again, but for the command itself. */
static char *flags(const struct hunt *hunt, const struct hunt_failure *failure, const char *replay)
{
    char *text =
        talloc_asprintf((void *)hunt, "racewatch run --seed %llu", (unsigned long long)failure->seed);
    if (replay != NULL)
        text = rw_shell_words(talloc_asprintf_append(text, " --replay"), (char *[]){(char *)replay, NULL});
    else if (failure->how == HUNT_SERIAL)
        text = talloc_asprintf_append(text, " --perturb serial");
    if (failure->steer != NULL)
        text = talloc_asprintf_append(text, " --steer %s", failure->steer);
    return talloc_asprintf_append(text, " --");
}

/* All of it, for the terminal that the command was typed at. Its arguments are in no file. */
static char *again(const struct hunt *hunt, const struct hunt_failure *failure, const char *replay)
{
    return rw_shell_words(flags(hunt, failure, replay), hunt->command);
}

static const char *plural(size_t number, const char *one, const char *many)
{
    return number == 1 ? one : many;
}

static void tell(const struct hunt *hunt, const struct hunt_failure *failure)
{
    const char *sentence = failure->sentence;
    int length = (int)strlen(sentence);
    while (length > 0 && (sentence[length - 1] == '.' || isspace((unsigned char)sentence[length - 1])))
        length--;
    bool has_class = strcmp(failure->class, "exit") != 0;
    char *line = talloc_asprintf((void *)hunt, "%s %s (%s%s%.*s)",
                                 failure->test != NULL ? failure->test : hunt->name, failure->what,
                                 has_class ? failure->class : "", has_class ? ": " : "", length, sentence);
    if (failure->perturbed > 0)
        line = talloc_asprintf_append(line, " with seed %llu", (unsigned long long)failure->seed);
    line = talloc_asprintf_append(line, ": %s%zu of %zu perturbed %s, %zu of %zu plain %s",
                                  failure->perturbed > 0 ? "" : "undisturbed alone: ", failure->perturbed,
                                  hunt->runs, plural(hunt->runs, "run", "runs"), failure->plain,
                                  hunt->plain_runs, plural(hunt->plain_runs, "run", "runs"));
    if (failure->reruns > 0)
        line = talloc_asprintf_append(line, "; again in %zu of %zu %s of", failure->again, failure->reruns,
                                      plural(failure->reruns, "run", "runs"));
    else if (failure->perturbed > 0)
        line = talloc_asprintf_append(line, "; to try it again:");
    if (failure->perturbed > 0)
        line = talloc_asprintf_append(line, " %s", again(hunt, failure, NULL));
    rw_tell(stdout, "%s", line);
    if (failure->minimal != NULL) {
        rw_tell(stdout, "  %s", failure->switches);
        rw_tell(stdout, "  these switches alone: %s", again(hunt, failure, failure->minimal));
    }
    if (failure->unminimised != NULL)
        rw_tell(stdout, "  %s", failure->unminimised);
    if (failure->report != NULL)
        rw_tell(stdout, "  report: %s", failure->report);
    else if (failure->path != NULL)
        rw_tell(stdout, "  its output: %s", failure->path);
}

static void tell_candidate(const struct hunt_candidate *candidate)
{
    char *line = talloc_strdup(NULL, "  lock order, at");
    for (size_t i = 0; i < candidate->place_count; i++)
        line = talloc_asprintf_append(line, "%s %s", i > 0 ? " and" : "", candidate->places[i]);
    if (candidate->run > 0)
        line = talloc_asprintf_append(line, ": confirmed: hung in run %zu, seed %llu", candidate->run,
                                      (unsigned long long)candidate->seed);
    else if (candidate->steer != NULL)
        line = talloc_asprintf_append(line, ": not confirmed in %zu %s", candidate->runs,
                                      plural(candidate->runs, "run", "runs"));
    else
        line = talloc_asprintf_append(line, ": not tried, its calls are not known");
    rw_tell(stdout, "%s", line);
    talloc_free(line);
}

static json_t *candidate_json(const struct hunt_candidate *candidate)
{
    json_t *json = json_object(), *places = json_array();
    for (size_t i = 0; i < candidate->place_count; i++)
        json_array_append_new(places, json_string(candidate->places[i]));
    json_object_set_new(json, "places", places);
    json_object_set_new(json, "runs", json_integer((json_int_t)candidate->runs));
    json_object_set_new(json, "confirmed", json_boolean(candidate->run > 0));
    json_object_set_new(json, "seed",
                        candidate->run > 0 ? json_integer((json_int_t)candidate->seed) : json_null());
    return json;
}

static json_t *optional(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

/* The command as it is told elsewhere, without its arguments. */
static json_t *again_json(const struct hunt *hunt, const struct hunt_failure *failure)
{
    char *text = talloc_asprintf_append(flags(hunt, failure, NULL), " %s", hunt->name);
    json_t *json = json_string(text);
    talloc_free(text);
    return json;
}

static json_t *failure_json(const struct hunt *hunt, const struct hunt_failure *failure)
{
    static const char *const words[] = {"off", "delay", "serial"};
    json_t *json = json_object();
    bool is_bent = failure->perturbed > 0;
    json_object_set_new(json, "class", json_string(failure->class));
    json_object_set_new(json, "sentence", json_string(failure->sentence));
    json_object_set_new(json, "test", optional(failure->test));
    json_object_set_new(json, "seed", is_bent ? json_integer((json_int_t)failure->seed) : json_null());
    json_object_set_new(json, "perturb", json_string(words[is_bent ? failure->how : HUNT_PLAIN]));
    json_object_set_new(json, "again", is_bent ? again_json(hunt, failure) : json_null());
    json_object_set_new(json, "reruns", json_integer((json_int_t)failure->reruns));
    json_object_set_new(json, "rerun_failures", json_integer((json_int_t)failure->again));
    json_object_set_new(json, "minimal", optional(failure->minimal));
    json_object_set_new(json, "unminimised", optional(failure->unminimised));
    json_object_set_new(json, "switches", failure->switch_list != NULL ? failure->switch_list : json_null());
    json_object_set_new(json, "perturbed", json_integer((json_int_t)failure->perturbed));
    json_object_set_new(json, "plain", json_integer((json_int_t)failure->plain));
    json_object_set_new(json, "path", optional(failure->path));
    return json;
}

static void write_json(const struct hunt *hunt)
{
    json_t *json = json_object(), *failures = json_array(), *candidates = json_array();
    for (size_t i = 0; i < hunt->failure_count; i++)
        json_array_append_new(failures, failure_json(hunt, &hunt->failures[i]));
    for (size_t i = 0; i < hunt->candidate_count; i++)
        json_array_append_new(candidates, candidate_json(&hunt->candidates[i]));
    json_object_set_new(json, "schema", json_integer(1));
    json_object_set_new(json, "command", json_string(hunt->name));
    json_object_set_new(json, "first_seed", json_integer((json_int_t)hunt->first_seed));
    json_object_set_new(json, "perturbed", json_integer((json_int_t)hunt->runs));
    json_object_set_new(json, "plain", json_integer((json_int_t)hunt->plain_runs));
    json_object_set_new(json, "failed", json_integer((json_int_t)hunt->failed_runs));
    json_object_set_new(json, "failures", failures);
    json_object_set_new(json, "lock_orders", candidates);
    char *path = talloc_asprintf((void *)hunt, "%s/hunt.json", hunt->out);
    int fd = rw_new_file(AT_FDCWD, path);
    if (fd < 0 || json_dumpfd(json, fd, RW_JSON_FLAGS) != 0)
        fprintf(stderr, "racewatch hunt: cannot write %s: %s\n", path, strerror(fd < 0 ? -fd : errno));
    if (fd >= 0)
        close(fd);
    json_decref(json);
}

void rw_hunt_conclude(struct hunt *hunt)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    if (hunt->failure_count == 0) {
        unsigned long long first = hunt->first_seed, last = first + (hunt->runs > 0 ? hunt->runs - 1 : 0);
        printf("nothing found in %zu perturbed %s (seeds %llu to %llu) and %zu plain %s of %s\n", hunt->runs,
               plural(hunt->runs, "run", "runs"), first, last, hunt->plain_runs,
               plural(hunt->plain_runs, "run", "runs"), hunt->name);
        if (hunt->made_out)
            rmdir(hunt->out);
        return;
    }
    qsort(hunt->failures, hunt->failure_count, sizeof(*hunt->failures), compare);
    for (size_t i = 0; i < hunt->failure_count; i++)
        tell(hunt, &hunt->failures[i]);
    for (size_t i = 0; i < hunt->candidate_count; i++)
        tell_candidate(&hunt->candidates[i]);
    write_json(hunt);
}
