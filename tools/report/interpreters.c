/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <talloc.h>

#include "tools/incident/model.h"
#include "tools/incident/words.h"
#include "tools/report/sections.h"

static char *tid_label(void *ctx, const struct rw_process_info *process, int tid)
{
    const struct rw_thread *thread = rw_process_find_thread(process, tid);

    return thread ? rw_thread_label(ctx, thread) : rw_words(ctx, "thread %d", tid);
}

static void write_gil(struct rw_page *page, const struct rw_process_info *process,
                      const struct rw_interpreter_info *interpreter)
{
    const struct rw_gil *gil = &interpreter->gil;
    const char *whose = interpreter->is_main ? "GIL" : interpreter->shares_gil ? "main's GIL" : "own GIL";

    if (gil->is_enabled == 0)
        rw_page_line(page, "      no GIL: a free-threaded build");
    else if (gil->holder_tid > 0)
        rw_page_wrap(page, 6, 2, "%s: held by %s%s", whose, tid_label(page->ctx, process, gil->holder_tid),
                     gil->certainty == RW_EXACT
                         ? ""
                         : rw_words(page->ctx, " (%s)", rw_certainty_name(gil->certainty)));
    else if (interpreter->shares_gil && !interpreter->is_main && gil->holder_tid < 0)
        rw_page_line(page, "      shares main's GIL");
    else if (gil->holder_tid == 0 || gil->is_locked == 0)
        rw_page_line(page, "      %s: free", whose);
    else
        rw_page_line(page, "      %s: its holder could not be found out", whose);
}

static void write_threads(struct rw_page *page, const struct rw_process_info *process,
                          const struct rw_interpreter_info *interpreter)
{
    char *names = NULL;

    for (size_t i = 0; i < interpreter->thread_state_count; i++) {
        int tid = interpreter->thread_state_tids[i];

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
    write_gil(page, process, interpreter);
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
