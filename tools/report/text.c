/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <uthash.h>

#include "tools/incident/model.h"
#include "tools/incident/words.h"
#include "tools/report/report.h"
#include "tools/report/sections.h"

static uint64_t hung_since(const struct rw_incident *incident, const struct rw_culprit *culprit)
{
    const struct rw_process_info *process = rw_incident_find_process(incident, culprit->pid);
    const struct rw_thread *thread = process ? rw_process_find_thread(process, culprit->tid) : NULL;

    if (!thread)
        return 0;
    if (thread->interpreter_call_since_ns)
        return thread->interpreter_call_since_ns;
    return rw_waits_since(incident, thread);
}

/* Since when it hangs: since the one that suffers does what it does; else the first culprit of whom it is
 * known. */
static double hung_s(const struct rw_incident *incident, const struct rw_verdict *verdict)
{
    uint64_t since_ns = 0;

    for (size_t i = 0; i < verdict->culprit_count; i++) {
        const char *role = verdict->culprits[i].role;
        uint64_t candidate = hung_since(incident, &verdict->culprits[i]);
        bool suffers = role && (strcmp(role, "waits") == 0 || strcmp(role, "destroyer") == 0);

        if (candidate && suffers)
            return rw_seconds_since(incident, candidate);
        if (!since_ns)
            since_ns = candidate;
    }
    return rw_seconds_since(incident, since_ns);
}

static const char *worker_of(const struct rw_incident *incident, const struct rw_verdict *verdict)
{
    const struct rw_process_info *process =
        verdict->culprit_count ? rw_incident_find_process(incident, verdict->culprits[0].pid) : NULL;

    return process ? process->worker : NULL;
}

char *rw_headline(void *ctx, const struct rw_incident *incident, const struct rw_verdict *verdict)
{
    const char *test = verdict->test ? verdict->test : incident->test;
    char *line = rw_words(ctx, "%s", verdict->class_name ? verdict->class_name : "unknown");
    double seconds = hung_s(incident, verdict);

    if (test && test[0])
        rw_append(ctx, &line, " in %s", test);
    if (worker_of(incident, verdict))
        rw_append(ctx, &line, " (worker %s of pytest-xdist)", worker_of(incident, verdict));
    if (seconds >= 0 && !rw_is_race_class(verdict->class_name) &&
        !(verdict->class_name && strcmp(verdict->class_name, "crash") == 0))
        rw_append(ctx, &line, ", for %s", rw_duration(ctx, seconds));
    rw_append(ctx, &line, " (%s)", rw_certainty_name(verdict->certainty));
    return line;
}

static void write_answer(struct rw_page *page, const struct rw_incident *incident)
{
    const struct rw_verdict *verdict = &incident->verdict;

    rw_page_line(page, "racewatch: %s", rw_headline(page->ctx, incident, verdict));
    rw_page_gap(page);
    rw_page_wrap(page, 2, 0, "%s", verdict->sentence ? verdict->sentence : "There is no verdict.");
    if (verdict->culprit_count) {
        rw_page_heading(page, rw_is_race_class(verdict->class_name) ? "Who did what"
                              : verdict->culprit_count > 1          ? "Who waits for whom"
                                                                    : "Where it is");
        for (size_t i = 0; i < verdict->culprit_count; i++) {
            char **lines;
            size_t left_out = rw_list_left_out(i, verdict->culprit_count), count;

            if (!rw_list_shows(i, verdict->culprit_count))
                continue;
            if (left_out)
                rw_page_line(page, "  (%zu more: incident.json has them all)", left_out);
            count = rw_step_lines(page->ctx, incident, &verdict->culprits[i], &lines);

            for (size_t j = 0; j < count; j++)
                rw_page_wrap(page, j ? 6 : 2, 2, "%s", lines[j]);
        }
    }
    if (verdict->look_at) {
        rw_page_heading(page, "Look at");
        rw_page_line(page, "  %s", verdict->look_at);
        if (verdict->look_at_also)
            rw_page_line(page, "  %s", verdict->look_at_also);
    }
}

static void write_certainty(struct rw_page *page, const struct rw_incident *incident)
{
    rw_page_heading(page, "How sure this is: %s", rw_certainty_name(incident->verdict.certainty));
    for (size_t i = 0; i < incident->verdict.evidence_count; i++) {
        size_t left_out = rw_list_left_out(i, incident->verdict.evidence_count);

        if (left_out)
            rw_page_line(page, "  - (%zu more like these: incident.json has them all)", left_out);
        if (rw_list_shows(i, incident->verdict.evidence_count))
            rw_page_wrap(page, 2, 2, "- %s", incident->verdict.evidence[i]);
    }
    if (incident->also_count)
        rw_page_heading(page, "Also found");
    for (size_t i = 0; i < incident->also_count; i++) {
        size_t left_out = rw_list_left_out(i, incident->also_count);

        if (left_out)
            rw_page_line(page, "  - (%zu more: incident.json has them all)", left_out);
        if (rw_list_shows(i, incident->also_count))
            rw_page_wrap(page, 2, 2, "- %s: %s", rw_headline(page->ctx, incident, &incident->also[i]),
                         incident->also[i].sentence ? incident->also[i].sentence : "");
    }
}

static void write_tests(struct rw_page *page, const struct rw_incident *incident,
                        const struct rw_process_info *process)
{
    if (process->test)
        rw_page_wrap(
            page, 2, 2, "running test %s%s%s%s", process->test, process->test_phase ? " (" : "",
            process->test_phase ? process->test_phase : "",
            process->test_phase
                ? rw_words(page->ctx, ")%s", rw_for_how_long(page->ctx, incident, process->test_begin_ns))
                : "");
    if (process->last_test)
        rw_page_wrap(
            page, 2, 2, "last test that ended: %s%s", process->last_test,
            process->last_test_end_ns
                ? rw_words(page->ctx, ", %s ago",
                           rw_duration(page->ctx, rw_seconds_since(incident, process->last_test_end_ns)))
                : "");
}

static void write_milestone(struct rw_page *page, const struct rw_incident *incident, const char *what,
                            uint64_t time_ns)
{
    if (time_ns)
        rw_page_line(page, "  %s %s ago", what, rw_duration(page->ctx, rw_seconds_since(incident, time_ns)));
}

static void write_process(struct rw_page *page, const struct rw_incident *incident,
                          const struct rw_process_info *process)
{
    rw_page_heading(page, "Process %d: %s%s", process->pid,
                    process->command ? process->command
                    : process->name  ? process->name
                                     : "?",
                    process->is_alive ? "" : " (gone)");
    if (process->executable || process->python)
        rw_page_wrap(page, 2, 2, "%s%s%s", process->executable ? process->executable : "",
                     process->python ? ", Python " : "", process->python ? process->python : "");
    write_tests(page, incident, process);
    write_milestone(page, incident, "main returned", process->main_returned_ns);
    write_milestone(page, incident, "exit began", process->exit_begin_ns);
    write_milestone(page, incident, "Python's finalisation began", process->finalize_begin_ns);
    write_milestone(page, incident, "Python's finalisation ended", process->finalize_end_ns);
}

static bool takes_part(const struct rw_verdict *verdict, int pid)
{
    for (size_t i = 0; i < verdict->culprit_count; i++)
        if (verdict->culprits[i].pid == pid)
            return true;
    return false;
}

/* 0 for a process of the verdict, 1 for one of another finding, 2 for those that were only there. */
static int place_of(const struct rw_incident *incident, const struct rw_process_info *process)
{
    if (takes_part(&incident->verdict, process->pid) || incident->process_count == 1)
        return 0;
    for (size_t i = 0; i < incident->also_count; i++)
        if (takes_part(&incident->also[i], process->pid))
            return 1;
    return incident->verdict.culprit_count ? 2 : 1;
}

static void write_bystander(struct rw_page *page, const struct rw_incident *incident,
                            const struct rw_process_info *process)
{
    size_t alive = 0;

    for (size_t i = 0; i < process->thread_count; i++)
        alive += !rw_thread_is_gone(process, &process->threads[i]);
    rw_page_wrap(
        page, 2, 4, "%d %s%s%s%s%s", process->pid,
        process->command ? process->command
        : process->name  ? process->name
                         : "?",
        process->is_alive ? "" : " (gone)",
        alive
            ? rw_words(page->ctx, ": %s %s", rw_thread_short_label(page->ctx, process, &process->threads[0]),
                       rw_doing_words(page->ctx, process, &process->threads[0]))
            : "",
        alive ? rw_for_how_long(page->ctx, incident, rw_waits_since(incident, &process->threads[0])) : "",
        alive > 1 ? rw_words(page->ctx, "; %zu more thread%s", alive - 1, alive == 2 ? "" : "s") : "");
}

/* Those that take part in something, in full: the stuck one first. Of many that look alike one stands for
 * all, and of many that differ the last ones get a line each. */
static void write_concerned(struct rw_page *page, const struct rw_incident *incident,
                            const struct rw_process_info **processes, size_t count)
{
    struct rw_process_group *groups;
    size_t group_count = rw_group_processes(page->ctx, incident, processes, count, &groups);

    for (size_t i = 0; i < group_count && i < RW_LIST_HEAD; i++) {
        const struct rw_process_info *process = groups[i].processes[0];

        write_process(page, incident, process);
        if (groups[i].count > 1)
            rw_page_wrap(page, 2, 2, "It stands for %zu processes that look alike: %s", groups[i].count,
                         rw_pid_words(page->ctx, groups[i].processes, groups[i].count));
        rw_section_threads(page, incident, process);
        rw_section_tasks(page, process);
        rw_section_interpreters(page, incident, process);
        rw_section_story(page, incident, process);
    }
    if (group_count > RW_LIST_HEAD)
        rw_page_heading(page, "Further processes of the kind (incident.json has their threads)");
    for (size_t i = RW_LIST_HEAD; i < group_count; i++)
        for (size_t j = 0; j < groups[i].count; j++)
            write_bystander(page, incident, groups[i].processes[j]);
}

static void write_bystanders(struct rw_page *page, const struct rw_incident *incident,
                             const struct rw_process_info **processes, size_t count)
{
    struct rw_process_group *groups;
    size_t group_count = rw_group_processes(page->ctx, incident, processes, count, &groups);

    if (count)
        rw_page_heading(page, "Other processes of the run (incident.json has their threads)");
    for (size_t i = 0; i < group_count; i++) {
        write_bystander(page, incident, groups[i].processes[0]);
        if (groups[i].count > 1)
            rw_page_wrap(page, 4, 4, "so do %zu more: %s", groups[i].count - 1,
                         rw_pid_words(page->ctx, groups[i].processes + 1, groups[i].count - 1));
    }
}

static void write_processes(struct rw_page *page, const struct rw_incident *incident)
{
    const struct rw_process_info **processes =
        talloc_array(page->ctx, const struct rw_process_info *, (unsigned)incident->process_count + 1);
    size_t count = 0, concerned = 0;

    if (!processes)
        abort();
    for (int place = 0; place <= 2; place++) {
        for (size_t i = 0; i < incident->process_count; i++)
            if (place_of(incident, &incident->processes[i]) == place)
                processes[count++] = &incident->processes[i];
        if (place == 1)
            concerned = count;
    }
    write_concerned(page, incident, processes, concerned);
    write_bystanders(page, incident, processes + concerned, count - concerned);
}

/* Of all processes: what hangs here may have been left by a test that ran elsewhere. */
static void write_accounts(struct rw_page *page, const struct rw_incident *incident)
{
    bool has_heading = false;

    for (size_t i = 0; i < incident->process_count; i++) {
        const struct rw_process_info *process = &incident->processes[i];

        if (process->test_count && !has_heading)
            rw_page_heading(page, RW_ACCOUNTS_HEADING);
        has_heading = has_heading || process->test_count;
        rw_section_accounts(page, process->tests, process->test_count);
    }
}

static bool has_notes(const struct rw_incident *incident)
{
    size_t count = incident->note_count;

    for (size_t i = 0; i < incident->process_count; i++)
        count += incident->processes[i].note_count;
    return count != 0;
}

struct noted {
    const char *note;
    const struct rw_process_info **processes;
    size_t count;
    UT_hash_handle hh;
};

/* What is the same of many processes is said once. */
static void write_process_notes(struct rw_page *page, const struct rw_incident *incident)
{
    struct noted *all = NULL, *noted;

    for (size_t i = 0; i < incident->process_count; i++)
        for (size_t j = 0; j < incident->processes[i].note_count; j++) {
            const char *note = incident->processes[i].notes[j];

            HASH_FIND_STR(all, note, noted);
            if (!noted) {
                noted = talloc_zero(page->ctx, struct noted);
                if (!noted)
                    abort();
                noted->note = note;
                HASH_ADD_KEYPTR(hh, all, noted->note, strlen(note), noted);
            }
            noted->processes = talloc_realloc(page->ctx, noted->processes, const struct rw_process_info *,
                                              (unsigned)noted->count + 1);
            if (!noted->processes)
                abort();
            noted->processes[noted->count++] = &incident->processes[i];
        }
    for (noted = all; noted; noted = noted->hh.next)
        rw_page_wrap(page, 2, 2, "- process%s %s: %s", noted->count == 1 ? "" : "es",
                     rw_pid_words(page->ctx, noted->processes, noted->count), noted->note);
    HASH_CLEAR(hh, all);
}

static void write_notes(struct rw_page *page, const struct rw_incident *incident)
{
    if (!has_notes(incident))
        return;
    rw_page_heading(page, "What could not be had");
    for (size_t i = 0; i < incident->note_count; i++)
        rw_page_wrap(page, 2, 2, "- %s", incident->notes[i]);
    write_process_notes(page, incident);
}

static void write_origin(struct rw_page *page, const struct rw_incident *incident)
{
    const char *when = rw_utc(page->ctx, incident->realtime_s);
    const struct rw_verdict *verdict = &incident->verdict;
    const struct rw_process_info *stuck =
        verdict->culprit_count ? rw_incident_find_process(incident, verdict->culprits[0].pid) : NULL;

    rw_page_heading(page, "About this report");
    if (stuck && stuck->command)
        rw_page_wrap(page, 2, 2, "command: %s", stuck->command);
    if (incident->command && !(stuck && stuck->command && strcmp(stuck->command, incident->command) == 0))
        rw_page_wrap(page, 2, 2, "command of the run: %s", incident->command);
    rw_page_wrap(page, 2, 2, "trigger: %s%s%s", incident->trigger ? incident->trigger : "not known",
                 incident->trigger_detail ? ": " : "",
                 incident->trigger_detail ? incident->trigger_detail : "");
    if (when)
        rw_page_line(page, "  taken: %s%s", when,
                     incident->took_ms > 0 ? rw_words(page->ctx, ", in %.0f ms", incident->took_ms) : "");
    rw_page_line(page, "  racewatch %s, incident schema %d",
                 incident->version ? incident->version : "of an unknown version", incident->schema);
}

int rw_report_text(const struct rw_incident *incident, FILE *file)
{
    struct rw_page page = {.file = file, .ctx = talloc_new(NULL)};

    if (!page.ctx)
        abort();
    errno = 0;
    write_answer(&page, incident);
    write_certainty(&page, incident);
    write_processes(&page, incident);
    write_accounts(&page, incident);
    write_notes(&page, incident);
    write_origin(&page, incident);
    talloc_free(page.ctx);
    if (fflush(file) == 0 && !ferror(file))
        return 0;
    return errno ? -errno : -EIO;
}
