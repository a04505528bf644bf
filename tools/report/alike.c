/* SPDX-License-Identifier: MIT */
/* What is left out of a list that is too long for people, and which processes are shown as one. */
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <uthash.h>

#include "tools/incident/words.h"
#include "tools/report/sections.h"

/* Process ids in one list. */
#define PIDS_SHOWN 12u

size_t rw_list_left_out(size_t at, size_t count)
{
    bool is_cut = count > RW_LIST_HEAD + RW_LIST_TAIL + 1;

    return is_cut && at == count - RW_LIST_TAIL ? count - RW_LIST_HEAD - RW_LIST_TAIL : 0;
}

bool rw_list_shows(size_t at, size_t count)
{
    return count <= RW_LIST_HEAD + RW_LIST_TAIL + 1 || at < RW_LIST_HEAD || at >= count - RW_LIST_TAIL;
}

char *rw_pid_words(void *ctx, const struct rw_process_info *const *processes, size_t count)
{
    size_t shown = count > PIDS_SHOWN + 1 ? PIDS_SHOWN : count;
    char *text = NULL;

    for (size_t i = 0; i < shown; i++)
        rw_append(ctx, &text, "%s%d", i ? ", " : "", processes[i]->pid);
    if (shown < count)
        rw_append(ctx, &text, " and %zu more", count - shown);
    return text;
}

/* What the process shows, without what differs between equal workers. */
static char *look_of(void *ctx, const struct rw_incident *incident, const struct rw_process_info *process)
{
    struct rw_thread_group *groups;
    size_t count = rw_group_threads(ctx, incident, process, &groups);
    char *look = rw_words(ctx, "%s %d %s\n", process->command ? process->command : "", process->is_alive,
                          process->test ? process->test : "");

    for (size_t i = 0; i < count; i++) {
        const struct rw_thread *first = groups[i].threads[0];

        rw_append(ctx, &look, "%zu %s %s\n", groups[i].count,
                  first->waits_on && first->waits_on->kind ? first->waits_on->kind : "",
                  rw_thread_is_gone(process, first) ? "gone" : "");
        for (size_t j = 0; j < groups[i].line_count; j++)
            rw_append(ctx, &look, "%s\n", groups[i].lines[j]);
    }
    return look;
}

/* The group of a look. */
struct known {
    size_t group;
    UT_hash_handle hh;
};

size_t rw_group_processes(void *ctx, const struct rw_incident *incident,
                          const struct rw_process_info *const *processes, size_t count,
                          struct rw_process_group **groups)
{
    struct known *all = NULL;
    size_t group_count = 0;

    *groups = talloc_zero_array(ctx, struct rw_process_group, (unsigned)count + 1);
    for (size_t i = 0; *groups && i < count; i++) {
        char *look = count > RW_LIST_HEAD ? look_of(ctx, incident, processes[i]) : NULL;
        struct known *known = NULL;

        if (look)
            HASH_FIND_STR(all, look, known);
        if (!known) {
            known = talloc_zero(ctx, struct known);
            if (!known)
                abort();
            known->group = group_count++;
            if (look)
                HASH_ADD_KEYPTR(hh, all, look, strlen(look), known);
        }
        struct rw_process_group *group = &(*groups)[known->group];
        group->processes =
            talloc_realloc(ctx, group->processes, const struct rw_process_info *, (unsigned)group->count + 1);
        if (!group->processes)
            abort();
        group->processes[group->count++] = processes[i];
    }
    HASH_CLEAR(hh, all);
    return group_count;
}
