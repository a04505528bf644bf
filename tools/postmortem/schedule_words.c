/* SPDX-License-Identifier: MIT */
#include "tools/postmortem/schedule_words.h"

#include <string.h>

#include <talloc.h>

#include "tools/basics/paths.h"
#include "tools/snapshot/image.h"

struct rw_schedule_words {
    const struct rw_schedule *schedule;
    const struct rw_incident *incident;
    struct rw_image *image; /* NULL: no maps */
};

struct rw_schedule_words *rw_schedule_words(void *parent, const struct rw_schedule *schedule,
                                            const char *path, const struct rw_incident *incident)
{
    struct rw_schedule_words *words = talloc_zero(parent, struct rw_schedule_words);
    words->schedule = schedule;
    words->incident = incident;
    const char *dot = strrchr(path, '.');
    char *maps = talloc_asprintf(words, "%.*s.maps", dot != NULL ? (int)(dot - path) : 0, path);
    if (rw_image_saved(words, schedule->header.pid, maps, &words->image) != 0)
        words->image = NULL;
    return words;
}

static const char *name_in_incident(const struct rw_schedule_words *words, int tid)
{
    const struct rw_incident *incident = words->incident;
    for (size_t i = 0; incident != NULL && i < incident->process_count; i++) {
        const struct rw_process_info *process = &incident->processes[i];
        for (size_t j = 0; process->pid == words->schedule->header.pid && j < process->thread_count; j++)
            if (process->threads[j].tid == tid && process->threads[j].name != NULL)
                return process->threads[j].name;
    }
    return NULL;
}

const char *rw_schedule_thread_name(struct rw_schedule_words *words, uint32_t thread)
{
    const char *name = name_in_incident(words, words->schedule->threads[thread].tid);
    if (thread == 0)
        return "main thread";
    const char *comm = rw_base_name(words->schedule->header.executable);
    /* A thread that nobody named is called as its program. */
    if (name != NULL && strncmp(name, comm, 15) != 0)
        return talloc_asprintf(words, "'%s'", name);
    return talloc_asprintf(words, "thread %u", thread);
}

static const char *place_of(struct rw_schedule_words *words, uint64_t return_address)
{
    struct rw_frame *frames = NULL;
    size_t count = 0;
    if (words->image != NULL &&
        rw_symbols_frames(words->image->symbols, return_address, true, words, &frames, &count) == 0 &&
        count > 0 && frames[0].file != NULL && frames[0].function != NULL)
        return talloc_asprintf(words, "%s:%d in %s", rw_base_name(frames[0].file), frames[0].line,
                               frames[0].function);
    const char *text =
        words->image != NULL ? rw_symbols_describe(words->image->symbols, return_address, words) : NULL;
    return text != NULL ? text : talloc_asprintf(words, "%#lx", (unsigned long)return_address);
}

/* A thread of Python code that is in a library's call is told by its own line. */
const char *rw_schedule_place(struct rw_schedule_words *words, const struct rw_schedule_switch *item)
{
    if (item->source == 0 || item->line == 0)
        return place_of(words, item->return_address);
    const struct rw_schedule_source *source = &words->schedule->sources[item->source - 1];
    return talloc_asprintf(words, "%s:%u in %s", rw_base_name(source->file), item->line, source->function);
}
