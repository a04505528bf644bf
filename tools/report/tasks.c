/* SPDX-License-Identifier: MIT */
/* Tasks of event loops: those that run first, then those that wait, equal ones together. */
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "tools/incident/model.h"
#include "tools/incident/words.h"
#include "tools/report/sections.h"

#define GROUPS_MAX 40 /* incident.json has them all */
#define NAMES_MAX 8

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_running(const struct rw_task *task)
{
    return task->state && strcmp(task->state, "running") == 0;
}

static bool is_like(const struct rw_task *a, const struct rw_task *b)
{
    if (a->tid != b->tid || a->interpreter != b->interpreter || a->frame_count != b->frame_count ||
        !is_same_text(a->library, b->library) || !is_same_text(a->state, b->state) ||
        !is_same_text(a->waits_on, b->waits_on) || !is_same_text(a->cancelled, b->cancelled))
        return false;
    for (size_t i = 0; i < a->frame_count; i++)
        if (a->frames[i].line != b->frames[i].line ||
            !is_same_text(a->frames[i].function, b->frames[i].function) ||
            !is_same_text(a->frames[i].file, b->frames[i].file))
            return false;
    return true;
}

static void write_frames(struct rw_page *page, const struct rw_task *task)
{
    for (size_t i = 0; i < task->frame_count; i++) {
        const struct rw_python_frame *frame = &task->frames[i];

        rw_page_wrap(page, 6, 2, "%s %s at %s:%d%s%s%s%s", i ? "awaited by" : "in",
                     frame->function ? frame->function : "?", frame->file ? frame->file : "?", frame->line,
                     frame->kind ? " (" : "", frame->kind ? frame->kind : "", frame->kind ? ")" : "",
                     frame->is_torn ? ", which changed while it was read" : "");
    }
}

static void write_group(struct rw_page *page, const struct rw_process_info *process,
                        const struct rw_task *task, bool *is_shown)
{
    const struct rw_thread *thread = rw_process_find_thread(process, task->tid);
    char *names = NULL;
    size_t count = 0;

    for (size_t i = (size_t)(task - process->tasks); i < process->task_count; i++) {
        if (is_shown[i] || !is_like(task, &process->tasks[i]))
            continue;
        is_shown[i] = true;
        if (count++ < NAMES_MAX)
            rw_append(page->ctx, &names, "%s%s", names ? ", " : "",
                      process->tasks[i].name ? process->tasks[i].name : "one without a name");
    }
    if (count > NAMES_MAX)
        rw_append(page->ctx, &names, " and %zu more like them", count - NAMES_MAX);
    rw_page_wrap(page, 2, 2, "%s: %s%s%s%s%s%s", names,
                 task->state ? task->state : "in a state that is not known", task->waits_on ? " for " : "",
                 task->waits_on ? task->waits_on : "",
                 thread ? is_running(task) ? ", in " : ", of the loop in " : "",
                 thread ? rw_thread_label(page->ctx, thread) : "",
                 !task->cancelled                           ? ""
                 : strcmp(task->cancelled, "shielded") == 0 ? ", shielded from a cancellation"
                                                            : ", cancelled");
    /* A running task's frames are those of its thread. */
    if (!is_running(task))
        write_frames(page, task);
}

void rw_section_tasks(struct rw_page *page, const struct rw_process_info *process)
{
    bool *is_shown;
    size_t groups = 0, left = 0;

    if (process->task_count == 0)
        return;
    is_shown = talloc_zero_array(page->ctx, bool, process->task_count);
    if (!is_shown)
        abort();
    rw_page_heading(page, "Tasks of process %d", process->pid);
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < process->task_count && groups < GROUPS_MAX; i++)
            if (!is_shown[i] && is_running(&process->tasks[i]) == (pass == 0)) {
                write_group(page, process, &process->tasks[i], is_shown);
                groups++;
            }
    for (size_t i = 0; i < process->task_count; i++)
        left += !is_shown[i];
    if (left)
        rw_page_line(page, "  and %zu more, all of them in incident.json", left);
}
