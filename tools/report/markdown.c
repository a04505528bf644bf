/* SPDX-License-Identifier: MIT */
/*
 * Markdown for a CI's summary page, which refuses what is too long as a whole: so every part is measured
 * before it is taken. Bytes of the program stand in code spans and blocks only, where Markdown means nothing.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "tools/incident/model.h"
#include "tools/incident/utf8.h"
#include "tools/incident/words.h"
#include "tools/report/report.h"
#include "tools/report/sections.h"

static const char cut[] = "\n*Cut here: report.txt has the rest.*\n";

struct sheet {
    void *ctx;
    char *text;
    size_t max;
    bool is_full;
};

/* Takes the part if the sheet has room for it and for the word that something is missing. */
static bool take(struct sheet *sheet, const char *part)
{
    if (sheet->is_full || strlen(sheet->text) + strlen(part) + sizeof cut > sheet->max) {
        sheet->is_full = true;
        return false;
    }
    rw_append(sheet->ctx, &sheet->text, "%s", part);
    return true;
}

/* Text that stands in the open: what HTML or Markdown would take for its own is made harmless. */
static char *plain(void *ctx, const char *raw)
{
    const char *text = rw_line_escape(ctx, raw);
    char *out = NULL;

    rw_append(ctx, &out, "%s", "");
    for (; *text; text++) {
        if (*text == '<')
            rw_append(ctx, &out, "&lt;");
        else if (*text == '>')
            rw_append(ctx, &out, "&gt;");
        else if (*text == '&')
            rw_append(ctx, &out, "&amp;");
        else
            rw_append(ctx, &out, strchr("\\`*_[]|~", *text) ? "\\%c" : "%c", *text);
    }
    return out;
}

/* Lines for a block of four backticks: a run of four in the text would end it. */
static void block_line(void *ctx, char **block, int indent, const char *raw)
{
    char *text = rw_line_escape(ctx, raw);

    for (char *run = strstr(text, "````"); run; run = strstr(run, "````"))
        memset(run, '\'', 4);
    rw_append(ctx, block, "%*s%s\n", indent, "", text);
}

static char *answer(void *ctx, const struct rw_incident *incident)
{
    const struct rw_verdict *verdict = &incident->verdict;
    char *part = rw_words(ctx, "### racewatch: %s\n\n%s\n", plain(ctx, rw_headline(ctx, incident, verdict)),
                          plain(ctx, verdict->sentence ? verdict->sentence : "There is no verdict."));

    if (verdict->look_at)
        rw_append(ctx, &part, "\nLook at: %s%s%s\n", plain(ctx, verdict->look_at),
                  verdict->look_at_also ? " and " : "",
                  verdict->look_at_also ? plain(ctx, verdict->look_at_also) : "");
    return part;
}

static char *steps(void *ctx, const struct rw_incident *incident)
{
    const struct rw_verdict *verdict = &incident->verdict;
    char *part = rw_words(ctx, "\n**Who waits for whom**\n\n````text\n");

    for (size_t i = 0; i < verdict->culprit_count; i++) {
        char **lines;
        size_t left_out = rw_list_left_out(i, verdict->culprit_count), count;

        if (!rw_list_shows(i, verdict->culprit_count))
            continue;
        if (left_out)
            block_line(ctx, &part, 0, rw_words(ctx, "(%zu more)", left_out));
        count = rw_step_lines(ctx, incident, &verdict->culprits[i], &lines);
        for (size_t j = 0; j < count; j++)
            block_line(ctx, &part, j ? 4 : 0, lines[j]);
    }
    rw_append(ctx, &part, "````\n");
    return part;
}

static char *thread_part(void *ctx, const struct rw_process_info *process,
                         const struct rw_thread_group *group)
{
    const struct rw_thread *first = group->threads[0];
    char *title = rw_words(ctx, "%s %s", rw_thread_label(ctx, first), rw_doing_words(ctx, process, first));
    char *part;

    if (group->count > 1)
        rw_append(ctx, &title, ", and %zu more like it", group->count - 1);
    part = rw_words(ctx, "\n%s\n\n````text\n", plain(ctx, title));
    for (size_t i = 0; i < group->line_count; i++)
        block_line(ctx, &part, 0, group->lines[i]);
    if (group->line_count == 0)
        block_line(ctx, &part, 0, "[no stack]");
    rw_append(ctx, &part, "````\n");
    return part;
}

/* The threads fold away as one; the end of the fold must always have room. */
static void take_threads(struct sheet *sheet, const struct rw_incident *incident,
                         const struct rw_process_info *process)
{
    static const char end[] = "\n</details>\n";
    struct rw_thread_group *groups;
    size_t count = rw_group_threads(sheet->ctx, incident, process, &groups);

    if (sheet->max < sizeof end)
        return;
    sheet->max -= sizeof end;
    if (take(sheet, rw_words(sheet->ctx, "\n<details><summary>%zu threads of process %d</summary>\n",
                             process->thread_count, process->pid))) {
        for (size_t i = 0; i < count; i++)
            if (!take(sheet, thread_part(sheet->ctx, process, &groups[i])))
                break;
        rw_append(sheet->ctx, &sheet->text, "%s", end);
    }
    sheet->max += sizeof end;
}

int rw_report_markdown(const struct rw_incident *incident, FILE *file, size_t max_bytes)
{
    struct sheet sheet = {.ctx = talloc_new(NULL), .max = max_bytes};
    int result = -ENOSPC;

    if (!sheet.ctx)
        abort();
    rw_append(sheet.ctx, &sheet.text, "%s", "");
    errno = 0;
    if (take(&sheet, answer(sheet.ctx, incident))) {
        if (incident->verdict.culprit_count)
            take(&sheet, steps(sheet.ctx, incident));
        for (size_t i = 0; i < incident->process_count && i < RW_LIST_HEAD && !sheet.is_full; i++)
            take_threads(&sheet, incident, &incident->processes[i]);
        if (sheet.is_full)
            rw_append(sheet.ctx, &sheet.text, "%s", cut);
        result = fputs(sheet.text, file) != EOF && fflush(file) == 0 ? 0 : errno ? -errno : -EIO;
    }
    talloc_free(sheet.ctx);
    return result;
}
