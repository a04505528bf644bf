/* SPDX-License-Identifier: MIT */
#include "tools/report/stack.h"

#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "tools/basics/paths.h"
#include "tools/incident/words.h"

#define NAME_COLUMN 42

struct lines {
    void *ctx;
    char **text;
    size_t count;
    /* A run of frames that only say how Python works: written as one line when it ends. */
    size_t folded;
    const struct rw_frame *first_folded;
};

static void add(struct lines *lines, char *text)
{
    size_t room = lines->text ? talloc_array_length(lines->text) : 0;

    if (lines->count == room) {
        lines->text = talloc_realloc(lines->ctx, lines->text, char *, (unsigned)room * 2 + 16);
        if (!lines->text)
            abort();
    }
    lines->text[lines->count++] = text;
}

static char *native_line(void *ctx, const struct rw_frame *frame)
{
    const char *module = rw_base_name(frame->module);
    const char *inlined = frame->is_inlined ? " (inlined)" : "";
    char *name, *where;

    if (frame->function)
        name = rw_words(ctx, "%s%s", frame->function, inlined);
    else if (module)
        name = rw_words(ctx, "%s+0x%llx", module, (unsigned long long)frame->module_offset);
    else
        name = rw_words(ctx, "0x%llx", (unsigned long long)frame->pc);
    if (frame->file && frame->line > 0)
        where = rw_words(ctx, "%s:%d", frame->file, frame->line);
    else if (frame->function && module)
        where = rw_words(ctx, "%s+0x%llx", module, (unsigned long long)frame->module_offset);
    else
        where = rw_words(ctx, "%s", module ? "" : "[no file is mapped there]");
    return rw_words(ctx, "%-*s %s", NAME_COLUMN, name, where);
}

/* Where Python itself is installed says nothing new on each line; the full path is in incident.json. */
static const char *short_file(void *ctx, const char *file)
{
    const char *library = file && rw_is_library_file(file) ? strstr(file, "/lib/python3") : NULL;

    if (!library)
        return file ? file : "?";
    return rw_words(ctx, "...%s", library + strlen("/lib"));
}

static char *python_line(void *ctx, const struct rw_python_frame *frame)
{
    char *name = rw_words(ctx, "%s%s%s%s%s", frame->function ? frame->function : "?", frame->kind ? " (" : "",
                          frame->kind ? frame->kind : "", frame->kind ? ")" : "",
                          frame->is_torn ? " (changed while it was read)" : "");
    const char *file = short_file(ctx, frame->file);
    char *where = frame->line > 0 ? rw_words(ctx, "%s:%d", file, frame->line) : rw_words(ctx, "%s", file);

    return rw_words(
        ctx, "%-*s %s%s", NAME_COLUMN, name, where,
        frame->interpreter > 0 ? rw_words(ctx, "  [interpreter %lld]", (long long)frame->interpreter) : "");
}

/* Frames of Python itself that say what it is doing to itself or to the process. */
static bool is_telling(const struct rw_frame *frame)
{
    static const char *const prefixes[] = {"Py_E",
                                           "Py_F",
                                           "Py_N",
                                           "_PyXI_",
                                           "wait_for_thread_shutdown",
                                           "PyThread_hang_thread",
                                           "exit",
                                           "__run_exit_handlers"};

    for (size_t i = 0; frame->function && i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(frame->function, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

/* A run of Python's own frames ends. Between two Python frames it says nothing; at the outer end one line
 * tells that the stack goes on. */
static void flush(struct lines *lines, bool is_outer_end)
{
    if (lines->folded && is_outer_end)
        add(lines,
            rw_words(lines->ctx, "  ... %zu frame%s of %s", lines->folded, lines->folded == 1 ? "" : "s",
                     lines->first_folded->module ? rw_base_name(lines->first_folded->module) : "Python"));
    lines->folded = 0;
}

static bool belongs_to(const struct rw_python_frame *frame, size_t native_index)
{
    return frame->native_index >= 0 && (size_t)frame->native_index == native_index;
}

/* Whether every Python frame names a native frame that there is. */
static bool is_merged(const struct rw_thread *thread)
{
    for (size_t i = 0; i < thread->python_count; i++)
        if (thread->python[i].native_index < 0 ||
            (size_t)thread->python[i].native_index >= thread->native_count)
            return false;
    return true;
}

static void add_native(struct lines *lines, const struct rw_thread *thread, bool with_python)
{
    bool below_python = false;

    for (size_t i = 0; i < thread->native_count; i++) {
        const struct rw_frame *frame = &thread->native[i];
        bool has_python = false;

        for (size_t j = 0; with_python && j < thread->python_count; j++) {
            if (!belongs_to(&thread->python[j], i))
                continue;
            flush(lines, false);
            add(lines, python_line(lines->ctx, &thread->python[j]));
            has_python = below_python = true;
        }
        if (has_python || frame->is_shim)
            continue;
        if (below_python && (rw_is_plumbing(frame) || !frame->function) && !is_telling(frame)) {
            lines->first_folded = lines->folded++ ? lines->first_folded : frame;
            continue;
        }
        flush(lines, false);
        add(lines, native_line(lines->ctx, frame));
    }
    flush(lines, true);
}

size_t rw_stack_lines(void *ctx, const struct rw_thread *thread, char ***out)
{
    struct lines lines = {.ctx = ctx};

    if (is_merged(thread)) {
        add_native(&lines, thread, true);
    } else {
        /* The two could not be brought together: one after the other says so. */
        for (size_t i = 0; i < thread->python_count; i++)
            add(&lines, python_line(ctx, &thread->python[i]));
        if (thread->native_count)
            add(&lines, rw_words(ctx, "and natively:"));
        add_native(&lines, thread, false);
    }
    *out = lines.text;
    return lines.count;
}
