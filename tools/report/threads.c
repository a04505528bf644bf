/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <talloc.h>

#include "tools/incident/interpreters.h"
#include "tools/incident/model.h"
#include "tools/incident/other_ends.h"
#include "tools/incident/wait_kinds.h"
#include "tools/incident/words.h"
#include "tools/report/sections.h"

static const char *or_null(const char *text)
{
    return text && text[0] ? text : NULL;
}

/* "created 12.3 s ago by MainThread in test t.py::x" and the like; NULL if nothing is known. */
static char *origin_words(void *ctx, const struct rw_incident *incident,
                          const struct rw_process_info *process, const struct rw_thread *thread)
{
    const struct rw_thread *creator = rw_process_find_thread(process, thread->creator_tid);
    double age_s = rw_seconds_since(incident, thread->created_ns);
    char *text = NULL;

    if (!creator && !or_null(thread->creator_name) && !thread->creator_tid &&
        !or_null(thread->created_in_test) && age_s < 0)
        return NULL;
    rw_append(ctx, &text, "created");
    if (age_s >= 0)
        rw_append(ctx, &text, " %s ago", rw_duration(ctx, age_s));
    if (creator)
        rw_append(ctx, &text, " by %s", rw_thread_label(ctx, creator));
    else if (or_null(thread->creator_name))
        rw_append(ctx, &text, " by '%s' (tid %d)", thread->creator_name, thread->creator_tid);
    else if (thread->creator_tid)
        rw_append(ctx, &text, " by thread %d", thread->creator_tid);
    if (or_null(thread->created_in_test))
        rw_append(ctx, &text, " in test %s", thread->created_in_test);
    if (or_null(thread->created_at) && !(process->python && rw_is_interpreter_place(thread->created_at)))
        rw_append(ctx, &text, " at %s", thread->created_at);
    return text;
}

/* Daemon flag, interpreters, start routine: what tells threads apart that have no name. */
static char *nature_words(void *ctx, const struct rw_thread *thread, bool has_many_interpreters)
{
    char *text = NULL;

    if (thread->is_daemon >= 0 && !thread->is_main)
        rw_append(ctx, &text, "%s", thread->is_daemon ? "daemon thread" : "non-daemon thread");
    for (size_t i = 0; has_many_interpreters && i < thread->thread_state_count; i++)
        rw_append(ctx, &text, "%s%lld",
                  i      ? " and "
                  : text ? ", in interpreter "
                         : "in interpreter ",
                  (long long)thread->thread_states[i].interpreter);
    if (or_null(thread->start_routine) && !rw_is_interpreter_place(thread->start_routine))
        rw_append(ctx, &text, "%sbegan in %s", text ? ", " : "", thread->start_routine);
    if (thread->is_detached == 1 && thread->thread_state_count == 0)
        rw_append(ctx, &text, "%sdetached", text ? ", " : "");
    if (thread->cpu_s >= 0.001)
        rw_append(ctx, &text, "%sused %s of processor time", text ? ", " : "",
                  rw_duration(ctx, thread->cpu_s));
    return text;
}

/* "'worker' (tid 12)", and of which process where that is another one. */
static char *holder_label(void *ctx, const struct rw_incident *incident,
                          const struct rw_process_info *process, const struct rw_owner *owner)
{
    const struct rw_process_info *its = owner->pid > 0 && owner->pid != process->pid
                                            ? rw_incident_find_process(incident, owner->pid)
                                            : process;
    const struct rw_thread *thread = its ? rw_process_find_thread(its, owner->tid) : NULL;

    if (thread && its == process)
        return rw_words(ctx, "%s", rw_thread_label(ctx, thread));
    if (thread)
        return rw_words(ctx, "%s of process %d", rw_thread_label(ctx, thread), its->pid);
    if (!its)
        return rw_words(ctx, "thread %d of process %d, which was not looked at", owner->tid, owner->pid);
    return rw_words(ctx, "thread %d, which is not in %s", owner->tid,
                    its == process ? "the process" : rw_words(ctx, "process %d", its->pid));
}

static char *owner_words(void *ctx, const struct rw_incident *incident, const struct rw_process_info *process,
                         const struct rw_thread *thread)
{
    const struct rw_wait_on *wait = thread->waits_on;
    const struct rw_wait_kind *kind = rw_wait_kind_of(wait);
    char *text;

    if (kind->kind && strcmp(kind->kind, "gil") == 0 && wait->owner.tid <= 0) {
        const struct rw_gil *gil = rw_thread_gil(process, thread);
        const struct rw_thread *owner = gil ? rw_process_find_thread(process, gil->holder_tid) : NULL;
        return owner ? rw_words(ctx, "held by %s", rw_thread_label(ctx, owner)) : NULL;
    }
    if (wait->owner.tid < 0 && wait->channel_count)
        return rw_other_ends_words(ctx, process, wait);
    /* A join says whom it waits for; the other kinds have no owner that matters. */
    if (kind->ends != RW_ENDS_BY_RELEASE)
        return NULL;
    if (wait->owner.tid == 0)
        return rw_words(ctx, "held by nobody at the moment");
    if (wait->owner.tid < 0)
        return rw_words(ctx, "who %s it could not be found out", kind->is_run ? "runs" : "holds");
    text = rw_words(ctx, "%s by %s",
                    kind->owner_is_guess ? "last taken"
                    : kind->is_run       ? "run"
                                         : "held",
                    holder_label(ctx, incident, process, &wait->owner));
    if (wait->owner.taken_at)
        rw_append(ctx, &text, ", taken at %s", wait->owner.taken_at);
    if (wait->owner.certainty != RW_EXACT)
        rw_append(ctx, &text, " (%s)", rw_certainty_name(wait->owner.certainty));
    return text;
}

static void add_line(void *ctx, char ***lines, size_t *count, char *text)
{
    if (!text)
        return;
    *lines = talloc_realloc(ctx, *lines, char *, (unsigned)*count + 1);
    (*lines)[(*count)++] = text;
}

/* When the thread began with what it does. A thread that runs came back from some call a moment ago, which is
 * no news. */
static uint64_t since(const struct rw_incident *incident, const struct rw_thread *thread)
{
    if (thread->waits_on)
        return rw_waits_since(incident, thread);
    return thread->state && strcmp(thread->state, "running") == 0 ? 0 : thread->since_ns;
}

size_t rw_step_lines(void *ctx, const struct rw_incident *incident, const struct rw_culprit *culprit,
                     char ***lines)
{
    const struct rw_process_info *process = rw_incident_find_process(incident, culprit->pid);
    const struct rw_thread *thread = process ? rw_process_find_thread(process, culprit->tid) : NULL;
    char *place, *origin;
    size_t count = 0;

    *lines = NULL;
    if (!thread || (culprit->role && strcmp(culprit->role, "actor") == 0) ||
        (culprit->role && strcmp(culprit->role, "other") == 0)) {
        const struct rw_thread gone = {
            .tid = culprit->tid, .name = culprit->name, .is_main = culprit->tid == culprit->pid};

        add_line(ctx, lines, &count,
                 rw_words(ctx, "%s: %s", rw_thread_label(ctx, thread ? thread : &gone),
                          culprit->why ? culprit->why : "?"));
        return count;
    }
    add_line(ctx, lines, &count,
             rw_words(ctx, "%s %s%s", rw_thread_label(ctx, thread), rw_doing_words(ctx, process, thread),
                      rw_for_how_long(ctx, incident, since(incident, thread))));
    place = rw_place(ctx, thread);
    if (place)
        add_line(ctx, lines, &count, rw_words(ctx, "at %s", place));
    if (thread->waits_on)
        add_line(ctx, lines, &count, owner_words(ctx, incident, process, thread));
    origin = thread->is_main ? NULL : origin_words(ctx, incident, process, thread);
    add_line(ctx, lines, &count, origin);
    return count;
}

static void write_names(struct rw_page *page, const struct rw_thread_group *group)
{
    char *names = NULL;
    bool is_first = true;

    for (size_t i = 0; i < group->count; i++) {
        size_t left_out = rw_list_left_out(i, group->count);

        if (left_out)
            rw_append(page->ctx, &names, ", %zu more", left_out);
        if (rw_list_shows(i, group->count))
            rw_append(page->ctx, &names, "%s%s", is_first ? "" : ", ",
                      rw_thread_label(page->ctx, group->threads[i]));
        is_first = false;
    }
    rw_page_wrap(page, 2, 0, "%s", names);
}

/* " for 2.1 s to 3.0 s": how long the members have been at it. */
static char *range_words(void *ctx, const struct rw_incident *incident, const struct rw_thread_group *group)
{
    double least = -1, most = -1;
    char *low, *high;

    for (size_t i = 0; i < group->count; i++) {
        double seconds = rw_seconds_since(incident, since(incident, group->threads[i]));

        if (seconds >= 0 && (least < 0 || seconds < least))
            least = seconds;
        if (seconds > most)
            most = seconds;
    }
    if (most < 0)
        return rw_words(ctx, "%s", "");
    low = rw_duration(ctx, least);
    high = rw_duration(ctx, most);
    return strcmp(low, high) == 0 ? rw_words(ctx, " for %s", low) : rw_words(ctx, " for %s to %s", low, high);
}

static void write_one(struct rw_page *page, const struct rw_incident *incident,
                      const struct rw_process_info *process, const struct rw_thread *thread)
{
    const char *role = rw_role_of(incident, process, thread);
    char *origin = origin_words(page->ctx, incident, process, thread);
    char *nature = nature_words(page->ctx, thread, process->interpreter_count > 1);
    char *owner = thread->waits_on ? owner_words(page->ctx, incident, process, thread) : NULL;

    rw_page_wrap(page, 0, 2, "%s %s%s%s%s%s", rw_thread_label(page->ctx, thread),
                 rw_doing_words(page->ctx, process, thread),
                 rw_for_how_long(page->ctx, incident, since(incident, thread)), role ? "   [" : "",
                 role ? role : "", role ? "]" : "");
    if (owner)
        rw_page_wrap(page, 2, 2, "%s", owner);
    if (origin)
        rw_page_wrap(page, 2, 2, "%s", origin);
    if (nature)
        rw_page_wrap(page, 2, 2, "%s", nature);
}

static void write_group(struct rw_page *page, const struct rw_incident *incident,
                        const struct rw_process_info *process, const struct rw_thread_group *group)
{
    const struct rw_thread *first = group->threads[0];

    rw_page_gap(page);
    if (group->count == 1) {
        write_one(page, incident, process, first);
    } else {
        char *nature = nature_words(page->ctx, first, process->interpreter_count > 1);

        rw_page_wrap(page, 0, 2, "%zu threads like this%s; the first one %s:", group->count,
                     range_words(page->ctx, incident, group), rw_doing_words(page->ctx, process, first));
        write_names(page, group);
        if (nature)
            rw_page_wrap(page, 2, 2, "of the first one: %s", nature);
    }
    if (first->stack_note)
        rw_page_wrap(page, 2, 2, "note: %s", first->stack_note);
    if (group->line_count == 0 && first->tid && !rw_thread_is_gone(process, first))
        rw_page_line(page, "    [no stack could be had]");
    for (size_t i = 0; i < group->line_count; i++)
        rw_page_line(page, "    %s", group->lines[i]);
    if (first->stack_source && strcmp(first->stack_source, "recording") == 0 && group->line_count)
        rw_page_line(page, "    (as it was when the thread began to wait)");
}

void rw_section_threads(struct rw_page *page, const struct rw_incident *incident,
                        const struct rw_process_info *process)
{
    struct rw_thread_group *groups;
    size_t count = rw_group_threads(page->ctx, incident, process, &groups), alive = 0;
    bool runs_python = false;

    for (size_t i = 0; i < process->thread_count; i++)
        alive += !rw_thread_is_gone(process, &process->threads[i]);
    rw_page_heading(page, "Threads of process %d (%s): %zu%s", process->pid,
                    process->name ? process->name : "?", alive,
                    alive < process->thread_count
                        ? rw_words(page->ctx, ", and %zu that ended", process->thread_count - alive)
                        : "");
    for (size_t i = 0; i < process->thread_count && !runs_python; i++)
        runs_python = process->threads[i].python_count != 0;
    if (runs_python)
        rw_page_line(
            page,
            "(Innermost call first. How Python calls Python is left out; incident.json has every frame.)");
    for (size_t i = 0; i < count; i++)
        write_group(page, incident, process, &groups[i]);
}
