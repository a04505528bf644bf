/* SPDX-License-Identifier: MIT */
#include "tools/incident/thread_index.h"

#include <stdlib.h>
#include <string.h>
#include <talloc.h>

/* So few are looked through as fast as they are looked up. */
#define SMALL 16u

/* Open addressing; a slot holds a position plus one, 0 where it is free. */
struct rw_thread_index {
    uint32_t *slots;
    size_t room;  /* a power of two, at least twice `known` */
    size_t known; /* threads[0] to threads[known - 1] are in it */
    int first;    /* TID of the first of them: the main thread goes to the front, and moves all others */
};

struct rw_thread_index *rw_thread_index_new(struct rw_incident *incident)
{
    struct rw_thread_index *index = talloc_zero(incident, struct rw_thread_index);

    if (!index)
        abort();
    return index;
}

void rw_incident_index_threads(struct rw_incident *incident)
{
    for (size_t i = 0; i < incident->process_count; i++)
        if (!incident->processes[i].index)
            incident->processes[i].index = rw_thread_index_new(incident);
}

static size_t slot_of(const struct rw_thread_index *index, int tid)
{
    return (uint32_t)tid * UINT32_C(2654435769) & (index->room - 1);
}

/* Of equal TIDs the first counts. */
static void add(struct rw_thread_index *index, const struct rw_process_info *process, size_t position)
{
    int tid = process->threads[position].tid;
    size_t slot = slot_of(index, tid);

    while (index->slots[slot]) {
        if (process->threads[index->slots[slot] - 1].tid == tid)
            return;
        slot = (slot + 1) & (index->room - 1);
    }
    index->slots[slot] = (uint32_t)position + 1;
}

static void catch_up(struct rw_thread_index *index, const struct rw_process_info *process)
{
    if (index->known > process->thread_count || index->first != process->threads[0].tid ||
        index->room < 2 * process->thread_count) {
        while (index->room < 2 * process->thread_count)
            index->room = index->room ? index->room * 4 : 64;
        index->slots = talloc_realloc(index, index->slots, uint32_t, (unsigned)index->room);
        if (!index->slots)
            abort();
        memset(index->slots, 0, index->room * sizeof *index->slots);
        index->known = 0;
        index->first = process->threads[0].tid;
    }
    for (; index->known < process->thread_count; index->known++)
        add(index, process, index->known);
}

static size_t look_through(const struct rw_process_info *process, int tid)
{
    for (size_t i = 0; i < process->thread_count; i++)
        if (process->threads[i].tid == tid)
            return i;
    return SIZE_MAX;
}

size_t rw_thread_index_find(const struct rw_process_info *process, int tid)
{
    struct rw_thread_index *index = process->index;

    if (!index || process->thread_count <= SMALL)
        return look_through(process, tid);
    catch_up(index, process);
    for (size_t slot = slot_of(index, tid); index->slots[slot]; slot = (slot + 1) & (index->room - 1))
        if (process->threads[index->slots[slot] - 1].tid == tid)
            return index->slots[slot] - 1;
    return SIZE_MAX;
}
