/* SPDX-License-Identifier: MIT */
/* The last transitions in the order of time: what all threads went through, and what the culprits waited for.
 */
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "tools/incident/model.h"
#include "tools/incident/words.h"
#include "tools/report/sections.h"

/* More than this nobody reads; incident.json has them all. */
#define STORY_MAX 120
#define STORY_INDENT 18 /* of what does not fit into a line */

struct tale {
    const struct rw_transition **transitions;
    size_t count;
};

static void add(void *ctx, struct tale *tale, const struct rw_transition *transition)
{
    size_t room = tale->transitions ? talloc_array_length(tale->transitions) : 0;

    if (tale->count == room) {
        tale->transitions =
            talloc_realloc(ctx, tale->transitions, const struct rw_transition *, (unsigned)room * 2 + 64);
        if (!tale->transitions)
            abort();
    }
    tale->transitions[tale->count++] = transition;
}

static int compare(const void *left, const void *right)
{
    const struct rw_transition *a = *(const struct rw_transition *const *)left;
    const struct rw_transition *b = *(const struct rw_transition *const *)right;

    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    return (a > b) - (a < b);
}

static bool is_wait(const struct rw_transition *transition)
{
    return transition->event && strcmp(transition->event, "wait") == 0;
}

/* Known from the environment that pytest sets: who calls setenv is no news. */
static bool is_test(const struct rw_transition *transition)
{
    return transition->event && strncmp(transition->event, "test-", 5) == 0;
}

/* What Python loads while it imports is most of a history and tells nothing of a hang. */
static bool is_noise(const struct rw_transition *transition)
{
    return transition->event && strcmp(transition->event, "library-loaded") == 0;
}

static void write_transition(struct rw_page *page, const struct rw_incident *incident,
                             const struct rw_process_info *process, const struct rw_transition *transition)
{
    const struct rw_thread *thread = rw_process_find_thread(process, transition->tid);
    int64_t ago_us = (int64_t)(incident->now_ns - transition->time_ns) / 1000;
    double ago_s = (double)ago_us / 1e6;
    char *who = thread             ? rw_thread_short_label(page->ctx, process, thread)
                : transition->name ? rw_words(page->ctx, "'%s'", transition->name)
                : transition->tid  ? rw_words(page->ctx, "thread %d", transition->tid)
                                   : "";
    char *text = rw_words(page->ctx, "%s",
                          transition->detail  ? transition->detail
                          : transition->event ? transition->event
                                              : "?");

    if (transition->count > 1 && !is_wait(transition)) /* a wait's words have it */
        rw_append(page->ctx, &text, ", %u times", transition->count);
    if (transition->where && transition->where[0] && !is_test(transition) &&
        !(process->python && rw_is_interpreter_place(transition->where)))
        rw_append(page->ctx, &text, "  from %s", transition->where);
    rw_page_wrap(page, 0, STORY_INDENT, "%12.6f s  %-20s %s", -ago_s, who, text);
}

void rw_section_story(struct rw_page *page, const struct rw_incident *incident,
                      const struct rw_process_info *process)
{
    struct tale tale = {0};
    size_t first;

    for (size_t i = 0; i < process->history_count; i++)
        if (!is_noise(&process->history[i]))
            add(page->ctx, &tale, &process->history[i]);
    for (size_t i = 0; i < process->thread_count; i++) {
        const struct rw_thread *thread = &process->threads[i];

        if (!thread->is_main && !rw_role_of(incident, process, thread))
            continue;
        for (size_t j = 0; j < thread->history_count; j++)
            if (is_wait(&thread->history[j]))
                add(page->ctx, &tale, &thread->history[j]);
    }
    if (tale.count == 0)
        return;
    qsort(tale.transitions, tale.count, sizeof *tale.transitions, compare);
    first = tale.count > STORY_MAX ? tale.count - STORY_MAX : 0;
    rw_page_heading(page, "What happened last in process %d (seconds before this report)", process->pid);
    if (first)
        rw_page_line(page, "  (%zu earlier transitions are in incident.json)", first);
    for (size_t i = first; i < tale.count; i++)
        write_transition(page, incident, process, tale.transitions[i]);
}
