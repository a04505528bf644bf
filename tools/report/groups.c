/* SPDX-License-Identifier: MIT */
/* The order in which threads are shown, and which of them are shown as one. */
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "tools/basics/need.h"
#include "tools/incident/words.h"
#include "tools/report/sections.h"
#include "tools/report/stack.h"

/* A thread with what it is compared by. */
struct entry {
    const struct rw_thread *thread;
    int tier; /* 0 main, 1 has a role, 2 the others */
    size_t position;
    char **lines;
    size_t line_count;
    char *look; /* what it does and its stack, without what differs between equal workers */
};

const char *rw_role_of(const struct rw_incident *incident, const struct rw_process_info *process,
                       const struct rw_thread *thread)
{
    for (size_t i = 0; thread->tid && i < incident->verdict.culprit_count; i++)
        if (incident->verdict.culprits[i].pid == process->pid &&
            incident->verdict.culprits[i].tid == thread->tid)
            return incident->verdict.culprits[i].role;
    return NULL;
}

/* Among the culprits; SIZE_MAX where it is none. */
static size_t position_of(const struct rw_incident *incident, const struct rw_process_info *process,
                          const struct rw_thread *thread)
{
    for (size_t i = 0; thread->tid && i < incident->verdict.culprit_count; i++)
        if (incident->verdict.culprits[i].pid == process->pid &&
            incident->verdict.culprits[i].tid == thread->tid)
            return i;
    return SIZE_MAX;
}

static char *look_of(void *ctx, const struct rw_process_info *process, const struct entry *entry)
{
    const struct rw_thread *thread = entry->thread;
    char *look =
        rw_words(ctx, "%s %d %d\n", thread->waits_on && thread->waits_on->kind ? thread->waits_on->kind : "",
                 rw_thread_is_gone(process, thread), thread->tid == 0);

    for (size_t i = 0; i < entry->line_count; i++)
        rw_append(ctx, &look, "%s\n", entry->lines[i]);
    return look;
}

static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;

    if (a->tier != b->tier)
        return a->tier - b->tier;
    return (a->position > b->position) - (a->position < b->position);
}

static int compare_looks(const void *left, const void *right)
{
    const struct entry *a = *(const struct entry *const *)left, *b = *(const struct entry *const *)right;
    int order = strcmp(a->look, b->look);

    return order ? order : (a->position > b->position) - (a->position < b->position);
}

static struct rw_thread_group single(void *ctx, const struct entry *entry)
{
    struct rw_thread_group group = {.lines = entry->lines, .line_count = entry->line_count, .count = 1};

    group.threads = rw_need(talloc_array(ctx, const struct rw_thread *, 1));
    group.threads[0] = entry->thread;
    return group;
}

static int compare_groups(const void *left, const void *right)
{
    const struct rw_thread_group *a = left, *b = right;

    return (a->threads[0] > b->threads[0]) - (a->threads[0] < b->threads[0]);
}

/* The others, sorted by their looks so that equal ones lie together; then back into the order of their first.
 */
static size_t group_others(void *ctx, struct entry *entries, size_t count, struct rw_thread_group *groups)
{
    const struct entry **sorted = rw_need(talloc_array(ctx, const struct entry *, (unsigned)count + 1));
    size_t group_count = 0;

    for (size_t i = 0; i < count; i++)
        sorted[i] = &entries[i];
    qsort(sorted, count, sizeof *sorted, compare_looks);
    for (size_t i = 0; i < count;) {
        struct rw_thread_group *group = &groups[group_count++];
        size_t end = i + 1;

        while (end < count && strcmp(sorted[end]->look, sorted[i]->look) == 0)
            end++;
        *group = single(ctx, sorted[i]);
        group->threads =
            rw_need(talloc_realloc(ctx, group->threads, const struct rw_thread *, (unsigned)(end - i)));
        group->count = end - i;
        for (size_t j = i; j < end; j++)
            group->threads[j - i] = sorted[j]->thread;
        i = end;
    }
    qsort(groups, group_count, sizeof *groups, compare_groups);
    return group_count;
}

size_t rw_group_threads(void *ctx, const struct rw_incident *incident, const struct rw_process_info *process,
                        struct rw_thread_group **groups)
{
    size_t count = process->thread_count, shown = 0;
    struct entry *entries = rw_need(talloc_zero_array(ctx, struct entry, (unsigned)count + 1));

    *groups = rw_need(talloc_zero_array(ctx, struct rw_thread_group, (unsigned)count + 1));
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = &entries[i];

        entry->thread = &process->threads[i];
        size_t position = position_of(incident, process, entry->thread);
        /* Of a long ring those have a place of their own that the answer shows. */
        bool is_shown = position != SIZE_MAX && rw_list_shows(position, incident->verdict.culprit_count);
        entry->tier = entry->thread->is_main ? 0 : is_shown ? 1 : 2;
        entry->position = entry->tier == 1 ? position : i;
        entry->line_count = rw_stack_lines(ctx, entry->thread, &entry->lines);
        entry->look = look_of(ctx, process, entry);
    }
    qsort(entries, count, sizeof *entries, compare_entries);
    while (shown < count && entries[shown].tier < 2) {
        (*groups)[shown] = single(ctx, &entries[shown]);
        shown++;
    }
    return shown + group_others(ctx, entries + shown, count - shown, *groups + shown);
}
