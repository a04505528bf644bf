/* SPDX-License-Identifier: MIT */
#include "tools/monitor/schedules.h"

#include <string.h>

#include <talloc.h>

#include "tools/postmortem/schedule_words.h"
#include "tools/recording/schedule_file.h"

struct rw_schedules {
    bool is_on;
    const char *replay;        /* "": none */
    struct rw_schedule *given; /* NULL: none, or it cannot be read */
    bool is_found;             /* the process that it is of */
    size_t blind, displaced;   /* processes without points at lines, threads that lost them */
    char *said;
};

struct rw_schedules *rw_schedules_new(void *parent, const struct rw_options *options)
{
    struct rw_schedules *schedules = talloc_zero(parent, struct rw_schedules);
    schedules->is_on = strcmp(options->perturb, "serial") == 0;
    schedules->replay = talloc_strdup(schedules, options->replay);
    schedules->said = talloc_strdup(schedules, "");
    if (schedules->is_on && *schedules->replay != '\0' &&
        rw_schedule_read(schedules, schedules->replay, &schedules->given) != 0)
        schedules->given = NULL;
    return schedules;
}

static void say_where(struct rw_schedules *schedules, const struct rw_schedule *schedule, const char *path)
{
    void *scratch = talloc_new(NULL);
    const struct rw_schedule_header *header = &schedule->header;
    const struct rw_schedule *given = schedules->given;
    struct rw_schedule_words *here = rw_schedule_words(scratch, schedule, path, NULL);
    struct rw_schedule_words *there = rw_schedule_words(scratch, given, schedules->replay, NULL);
    const struct rw_schedule_switch at = {
        .source = header->diverged_source <= header->source_count ? header->diverged_source : 0,
        .line = header->diverged_line,
        .return_address = header->diverged_return_address,
    };
    char *text = talloc_asprintf(scratch, "the replay goes another way after %llu decisions: %s is at %s",
                                 (unsigned long long)header->diverged_step,
                                 header->diverged_thread < header->thread_count
                                     ? rw_schedule_thread_name(here, header->diverged_thread)
                                     : "a thread",
                                 rw_schedule_place(here, &at));
    if (header->expected_switch < given->header.switch_count) {
        const struct rw_schedule_switch *expected = &given->switches[header->expected_switch];
        text = header->has_diverged == RW_SCHEDULE_CANNOT_RUN
                   ? talloc_asprintf_append(text, ", and %s, which goes on there in the file, cannot",
                                            rw_schedule_thread_name(there, expected->to))
                   : talloc_asprintf_append(text, ", and in the file %s, at %s, gives way to %s",
                                            rw_schedule_thread_name(there, expected->from),
                                            rw_schedule_place(there, expected),
                                            rw_schedule_thread_name(there, expected->to));
    }
    schedules->said = talloc_asprintf_append(schedules->said, "%s\n", text);
    talloc_free(scratch);
}

/* A file without a hash is one from which switches were left out: there is no way that it says. */
static void compare(struct rw_schedules *schedules, const struct rw_schedule *schedule, const char *path)
{
    const struct rw_schedule_header *header = &schedule->header, *given = &schedules->given->header;
    schedules->is_found = true;
    if (header->has_diverged != RW_SCHEDULE_SAME_WAY)
        say_where(schedules, schedule, path);
    else if (given->hash != 0 && header->hash != given->hash)
        schedules->said = talloc_asprintf_append(
            schedules->said,
            "the replay ends another way: no switch of the file went wrong, but it has %llu decisions, and "
            "there were %llu%s\n",
            (unsigned long long)given->decisions, (unsigned long long)header->decisions,
            header->takeovers + given->takeovers > 0
                ? "; threads waited where serial mode does not see, so real time had a say"
                : "");
}

/* A program may be another build of itself. */
static bool is_same_program(const struct rw_schedule_header *one, const struct rw_schedule_header *other)
{
    const char *a = strrchr(one->executable, '/'), *b = strrchr(other->executable, '/');
    return one->place == other->place && a != NULL && b != NULL && strcmp(a, b) == 0;
}

void rw_schedules_note(struct rw_schedules *schedules, const char *path)
{
    struct rw_schedule *schedule = NULL;
    if (!schedules->is_on || rw_schedule_read(schedules, path, &schedule) != 0)
        return;
    schedules->blind += schedule->header.lines == RW_SCHEDULE_LINES_FAILED;
    schedules->displaced += schedule->header.lines_displaced;
    if (schedules->given != NULL && is_same_program(&schedule->header, &schedules->given->header))
        compare(schedules, schedule, path);
    talloc_free(schedule);
}

const char *rw_schedules_said(struct rw_schedules *schedules)
{
    if (!schedules->is_on)
        return "";
    if (*schedules->replay != '\0' && schedules->given == NULL)
        schedules->said = talloc_asprintf_append(
            schedules->said, "nothing was replayed: %s is no file of choices that can be read\n",
            schedules->replay);
    else if (schedules->given != NULL && !schedules->is_found)
        schedules->said = talloc_asprintf_append(
            schedules->said, "nothing was replayed: no process of this run is the one that %s is of\n",
            schedules->replay);
    if (schedules->blind > 0)
        schedules->said = talloc_asprintf_append(
            schedules->said,
            "lines of Python code were no points in %zu process%s: this Python does not show "
            "them (docs/serial.md)\n",
            schedules->blind, schedules->blind == 1 ? "" : "es");
    if (schedules->displaced > 0)
        schedules->said = talloc_asprintf_append(
            schedules->said,
            "the program changed trace functions %zu time%s: lines of Python code are no points in such a "
            "thread from then on\n",
            schedules->displaced, schedules->displaced == 1 ? "" : "s");
    return schedules->said;
}
