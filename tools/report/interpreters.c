/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <talloc.h>

#include "tools/incident/model.h"
#include "tools/incident/words.h"
#include "tools/report/sections.h"

#define WAITERS_MAX 8

static char *tid_label(void *ctx, const struct rw_process_info *process, int tid)
{
    const struct rw_thread *thread = rw_process_find_thread(process, tid);

    return thread ? rw_thread_label(ctx, thread) : rw_words(ctx, "thread %d", tid);
}

/* ", in work at x.py:12"; what runs inside of that is in its stack. */
static char *holder_words(void *ctx, const struct rw_process_info *process, int tid)
{
    const struct rw_thread *thread = rw_process_find_thread(process, tid);
    const struct rw_python_frame *frame = thread && thread->python_count ? &thread->python[0] : NULL;

    if (!frame || !frame->function || !frame->file || frame->is_torn)
        return rw_words(ctx, "%s", "");
    return rw_words(ctx, ", in %s at %s:%d", frame->function, frame->file, frame->line);
}

/* Those who want it, the one that has waited longest first known by its time. */
static void write_gil_waiters(struct rw_page *page, const struct rw_incident *incident,
                              const struct rw_process_info *process, const struct rw_gil *gil)
{
    char *names = NULL;
    size_t count = 0;

    for (size_t i = 0; i < process->thread_count; i++) {
        const struct rw_thread *thread = &process->threads[i];
        const struct rw_wait_on *wait = thread->waits_on;

        if (!wait || !wait->kind || strcmp(wait->kind, "gil") != 0 || wait->object != gil->address)
            continue;
        if (count++ < WAITERS_MAX)
            rw_append(page->ctx, &names, "%s%s%s", names ? ", " : "", rw_thread_label(page->ctx, thread),
                      rw_for_how_long(page->ctx, incident, rw_waits_since(incident, thread)));
    }
    if (count > WAITERS_MAX)
        rw_append(page->ctx, &names, " and %zu more", count - WAITERS_MAX);
    if (names)
        rw_page_wrap(page, 6, 2, "wanted by %s", names);
}

static void write_gil(struct rw_page *page, const struct rw_incident *incident,
                      const struct rw_process_info *process, const struct rw_interpreter_info *interpreter)
{
    const struct rw_gil *gil = &interpreter->gil;
    const char *whose = interpreter->is_main ? "GIL" : interpreter->shares_gil ? "main's GIL" : "own GIL";

    if (gil->is_enabled == 0)
        rw_page_line(page, "      no GIL: a free-threaded build");
    else if (gil->holder_tid > 0)
        rw_page_wrap(
            page, 6, 2, "%s: held by %s%s%s%s", whose, tid_label(page->ctx, process, gil->holder_tid),
            gil->certainty == RW_EXACT ? "" : rw_words(page->ctx, " (%s)", rw_certainty_name(gil->certainty)),
            gil->kept_since_ns
                ? rw_words(page->ctx, ", no other thread has had it for %s or longer",
                           rw_duration(page->ctx, rw_seconds_since(incident, gil->kept_since_ns)))
                : "",
            holder_words(page->ctx, process, gil->holder_tid));
    else if (interpreter->shares_gil && !interpreter->is_main && gil->holder_tid < 0)
        rw_page_line(page, "      shares main's GIL");
    else if (gil->holder_tid == 0 || gil->is_locked == 0)
        rw_page_line(page, "      %s: free", whose);
    else
        rw_page_line(page, "      %s: its holder could not be found out", whose);
    if (gil->address && !(interpreter->shares_gil && !interpreter->is_main))
        write_gil_waiters(page, incident, process, gil);
}

static void write_threads(struct rw_page *page, const struct rw_process_info *process,
                          const struct rw_interpreter_info *interpreter)
{
    char *names = NULL;

    for (size_t i = 0; i < interpreter->thread_state_count; i++) {
        size_t left_out = rw_list_left_out(i, interpreter->thread_state_count);
        int tid = interpreter->thread_state_tids[i];

        if (left_out)
            rw_append(page->ctx, &names, ", %zu more", left_out);
        if (!rw_list_shows(i, interpreter->thread_state_count))
            continue;
        rw_append(page->ctx, &names, "%s%s", i ? ", " : "",
                  tid > 0    ? tid_label(page->ctx, process, tid)
                  : tid == 0 ? "one that no thread backs"
                             : "one whose thread is not known");
    }
    if (names)
        rw_page_wrap(page, 6, 2, "thread states: %s", names);
}

static void write_interpreter(struct rw_page *page, const struct rw_incident *incident,
                              const struct rw_process_info *process,
                              const struct rw_interpreter_info *interpreter)
{
    char *line = NULL;

    if (interpreter->id >= 0)
        rw_append(page->ctx, &line, "interpreter %lld", (long long)interpreter->id);
    else
        rw_append(page->ctx, &line, "interpreter at 0x%llx", (unsigned long long)interpreter->address);
    rw_append(page->ctx, &line, "%s: %s", interpreter->is_main ? " (main)" : "",
              interpreter->state ? interpreter->state : "state not known");
    if (interpreter->destroyer_tid)
        rw_append(page->ctx, &line, " by %s%s", tid_label(page->ctx, process, interpreter->destroyer_tid),
                  interpreter->state && strcmp(interpreter->state, "destroying") == 0
                      ? rw_for_how_long(page->ctx, incident, interpreter->destroy_begin_ns)
                      : "");
    if (interpreter->is_finalizing)
        rw_append(page->ctx, &line, ", finalising");
    if (interpreter->creator_tid)
        rw_append(page->ctx, &line, ", created by %s",
                  tid_label(page->ctx, process, interpreter->creator_tid));
    if (interpreter->created_in_test && interpreter->created_in_test[0])
        rw_append(page->ctx, &line, "%s in test %s", interpreter->creator_tid ? "" : ", created",
                  interpreter->created_in_test);
    rw_page_wrap(page, 2, 2, "%s", line);
    if (interpreter->state && strcmp(interpreter->state, "destroyed") == 0)
        return;
    write_gil(page, incident, process, interpreter);
    write_threads(page, process, interpreter);
}

void rw_section_interpreters(struct rw_page *page, const struct rw_incident *incident,
                             const struct rw_process_info *process)
{
    if (process->interpreter_count == 0 && !process->python_note)
        return;
    rw_page_heading(page, "Interpreters of process %d (Python %s)", process->pid,
                    process->python ? process->python : "of a version that is not known");
    if (process->python_note)
        rw_page_wrap(page, 2, 2, "note: %s", process->python_note);
    for (size_t i = 0; i < process->interpreter_count; i++)
        write_interpreter(page, incident, process, &process->interpreters[i]);
}
