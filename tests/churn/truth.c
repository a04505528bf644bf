/* SPDX-License-Identifier: MIT */
#include "tests/churn/truth.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "tools/incident/model.h"

struct frame {
    int line;
    const char *function, *file;
};

struct standing {
    int tid;
    struct frame *frames;
    size_t count;
};

struct truth {
    struct standing *threads;
    size_t count;
};

struct truth *truth_read(void *parent, const char *path)
{
    FILE *file = fopen(path, "r");
    char line[4096], function[2048], name[2048];
    struct truth *truth = file ? talloc_zero(parent, struct truth) : NULL;
    if (!truth)
        return NULL;
    while (fgets(line, sizeof line, file)) {
        int number;
        if (sscanf(line, "T %d", &number) == 1) {
            truth->threads = talloc_realloc(truth, truth->threads, struct standing, truth->count + 1);
            truth->threads[truth->count++] = (struct standing){.tid = number};
        } else if (truth->count &&
                   sscanf(line, "F %d %2047[^\t]\t%2047[^\n]", &number, function, name) == 3) {
            struct standing *thread = &truth->threads[truth->count - 1];
            thread->frames = talloc_realloc(truth, thread->frames, struct frame, thread->count + 1);
            thread->frames[thread->count++] =
                (struct frame){number, talloc_strdup(truth, function), talloc_strdup(truth, name)};
        }
    }
    fclose(file);
    return truth;
}

static void wrong(struct tally *tally, const struct rw_thread *thread, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void wrong(struct tally *tally, const struct rw_thread *thread, const char *format, ...)
{
    va_list arguments;
    if (tally->wrong < sizeof tally->first_wrong / sizeof tally->first_wrong[0]) {
        char *text = tally->first_wrong[tally->wrong];
        int used = snprintf(text, sizeof tally->first_wrong[0], "look %zu, thread %d: ", tally->looks,
                            thread ? thread->tid : 0);
        va_start(arguments, format);
        vsnprintf(text + used, sizeof tally->first_wrong[0] - (size_t)used, format, arguments);
        va_end(arguments);
    }
    tally->wrong++;
}

/* Innermost first, so loops only ever go outwards. Frames below `from` are marked as torn. */
static void check_order(const struct rw_thread *thread, size_t from, struct tally *tally)
{
    int inner = -1;
    bool is_merged = true;
    for (size_t i = from; i < thread->python_count; i++) {
        int index = thread->python[i].native_index;
        if (index < 0) {
            is_merged = false;
            continue;
        }
        if ((size_t)index >= thread->native_count || !thread->native[index].is_python_eval)
            wrong(tally, thread, "frame %zu stands at native frame %d, no evaluation loop", i, index);
        else if (index < inner)
            wrong(tally, thread, "frame %zu (%s) stands at loop %d, and one that it called at %d", i,
                  thread->python[i].function, index, inner);
        inner = index;
    }
    tally->unmerged += !is_merged;
}

static bool is_incomplete(const struct rw_process_info *process)
{
    for (size_t i = 0; i < process->note_count; i++)
        if (strstr(process->notes[i], "some may be missing"))
            return true;
    return false;
}

static void check_standing(const struct standing *told, const struct rw_process_info *process,
                           struct tally *tally)
{
    const struct rw_thread *thread = rw_process_find_thread(process, told->tid);
    if ((!thread || !thread->python_count) && is_incomplete(process)) {
        tally->missing++;
        return;
    }
    tally->standing++;
    if (!thread || thread->python_count != told->count) {
        wrong(tally, thread, "%zu frames of %zu", thread ? thread->python_count : 0, told->count);
        return;
    }
    for (size_t i = 0; i < told->count; i++) {
        const struct rw_python_frame *seen = &thread->python[i];
        const struct frame *frame = &told->frames[i];
        bool has_loop = seen->native_index >= 0 || (!thread->native_count && thread->stack_note);
        if (seen->is_torn || strcmp(seen->function, frame->function) || !seen->file ||
            strcmp(seen->file, frame->file) || seen->line != frame->line || !has_loop) {
            wrong(tally, thread, "frame %zu is %s:%d, and was read as %s:%d%s%s", i, frame->function,
                  frame->line, seen->function, seen->line, seen->is_torn ? ", torn" : "",
                  has_loop ? "" : ", without a loop");
            return;
        }
    }
    check_order(thread, 0, tally);
}

/* churn_3_5_s: thread 3, depth 5, called by sorted(). */
struct place {
    int churner, depth;
    char how; /* churn.py says what each letter means */
};

static bool is_place(const struct rw_python_frame *frame, struct place *place)
{
    int used = 0;
    return frame->function &&
           sscanf(frame->function, "churn_%d_%d_%c%n", &place->churner, &place->depth, &place->how, &used) ==
               3 &&
           frame->function[used] == '\0';
}

static bool is_at(const struct rw_python_frame *frame, const struct place *place, bool in_call)
{
    char file[32];
    const char *base = frame->file ? strrchr(frame->file, '/') : NULL;
    int first = 10 * (3 * place->depth + (place->how == 'p' ? 0 : place->how == 's' ? 1 : 2)) + 1;
    snprintf(file, sizeof file, "/churn_%d.py", place->churner);
    return base && !strcmp(base, file) && frame->interpreter == 0 &&
           (in_call ? frame->line == first + 2 : frame->line >= first && frame->line <= first + 2);
}

/* Do functions of C between the two loops, where they have names, belong to another kind of call? */
static bool is_called_otherwise(const struct rw_thread *thread, int inner, int outer, char how)
{
    for (int i = inner + 1; i < outer; i++) {
        const char *function = thread->native[i].function;
        if (function && ((how != 's' && strstr(function, "sort")) ||
                         ((how == 'p' || how == 's') && strstr(function, "gen_"))))
            return true;
    }
    return false;
}

/* A frame and the one that called it, both with a loop. */
static void check_pair(const struct rw_thread *thread, size_t i, const struct place *place, bool has_inlined,
                       struct tally *tally)
{
    const struct rw_python_frame *frame = &thread->python[i];
    int inner = frame->native_index, outer = thread->python[i + 1].native_index;
    /* A generator is made in its caller's loop, and runs in another. */
    bool is_new = i == 0 && frame->kind;
    if (place->how != 'p' && !is_new && inner == outer)
        wrong(tally, thread, "frame %zu, %s, was called through C, and runs in its caller's loop (%c)", i,
              frame->function, thread->os_state);
    if (place->how == 'p' && has_inlined != (inner == outer))
        wrong(tally, thread, "frame %zu, %s, was called directly, and runs in %s loop", i, frame->function,
              has_inlined ? "another" : "its caller's");
    if (is_called_otherwise(thread, inner, outer, place->how))
        wrong(tally, thread, "frame %zu, %s, is said to be called otherwise, between native frames %d and %d",
              i, frame->function, inner, outer);
}

static void check_moving(const struct rw_thread *thread, bool has_inlined, struct tally *tally)
{
    size_t from = 0, count = thread->python_count;
    while (from < count && thread->python[from].is_torn)
        from++;
    tally->moving += count > 0;
    tally->torn += from > 0;
    for (size_t i = from; i < count; i++) {
        struct place place, outer;
        const struct rw_python_frame *frame = &thread->python[i];
        if (frame->is_torn)
            wrong(tally, thread, "frame %zu is torn, and one that it called is not", i);
        if (!is_place(frame, &place))
            continue;
        bool is_unknown = i == 0 && frame->line == 0; /* and it is said */
        if (!is_unknown && !is_at(frame, &place, i > from))
            wrong(tally, thread, "%s is at %s:%d in interpreter %ld", frame->function, frame->file,
                  frame->line, (long)frame->interpreter);
        if (place.depth == 0)
            continue;
        if (i + 1 == count || !is_place(&thread->python[i + 1], &outer) || outer.churner != place.churner ||
            outer.depth != place.depth - 1)
            wrong(tally, thread, "frame %zu of %zu, %s, was called by %s", i, count, frame->function,
                  i + 1 < count ? thread->python[i + 1].function : "nobody");
        else if (frame->native_index >= 0 && thread->python[i + 1].native_index >= 0)
            check_pair(thread, i, &place, has_inlined, tally);
    }
    check_order(thread, from, tally);
}

void truth_check(const struct truth *truth, const struct rw_process_info *process, struct tally *tally)
{
    unsigned minor = 0;
    bool has_inlined = process->python && sscanf(process->python, "3.%u", &minor) == 1 && minor >= 11;
    for (size_t i = 0; i < truth->count; i++)
        check_standing(&truth->threads[i], process, tally);
    for (size_t i = 0; i < process->thread_count; i++) {
        bool is_standing = false;
        for (size_t s = 0; s < truth->count; s++)
            is_standing |= truth->threads[s].tid == process->threads[i].tid;
        if (!is_standing)
            check_moving(&process->threads[i], has_inlined, tally);
    }
}
