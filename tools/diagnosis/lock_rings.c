/* SPDX-License-Identifier: MIT */
/*
 * A ring of lock orders is one if its threads are all different, could do so at once, and would block each
 * other at every lock of it. They could not where the recording saw one come before the other (the edges have
 * no meeting); nor where two of them hold the same further lock (a gate).
 */
#include "tools/diagnosis/lock_rings.h"

#include "tools/incident/words.h"

#define RINGS_MAX 8u       /* told of one process */
#define STEPS_MAX 2000000u /* of the search, in a graph that was made to keep us busy */

struct search {
    const struct rw_process_info *process;
    rw_tell_ring *tell;
    void *context;
    const struct rw_lock_edge_info *ring[RW_RING_MAX];
    size_t told;
    unsigned steps;
    uint64_t told_locks[RINGS_MAX]; /* sums of the rings' locks: the same ring by other threads is no other */
};

static bool share_gate(const struct rw_lock_edge_info *a, const struct rw_lock_edge_info *b)
{
    for (size_t i = 0; i < a->gate_count; i++)
        for (size_t j = 0; j < b->gate_count; j++)
            if (a->gates[i].lock == b->gates[j].lock)
                return true;
    return false;
}

static bool has_met(const struct rw_lock_edge_info *a, const struct rw_lock_edge_info *b)
{
    for (size_t i = 0; i < a->meeting_count; i++)
        if (a->meetings[i].number == b->number)
            return true;
    return false;
}

static bool fits(const struct rw_lock_edge_info *a, const struct rw_lock_edge_info *b)
{
    return a->tid != b->tid && !share_gate(a, b) && (has_met(a, b) || has_met(b, a));
}

/* Of `before`'s second lock and `after`'s first: the same, and not by two readers. */
static bool leads_to(const struct rw_lock_edge_info *before, const struct rw_lock_edge_info *after)
{
    return before->to == after->from && before->to_generation == after->from_generation &&
           !(before->is_to_shared && after->is_from_shared);
}

static void found(struct search *search, size_t length)
{
    uint64_t locks = 0;

    for (size_t i = 0; i < length; i++)
        locks += search->ring[i]->from * 31 + search->ring[i]->from_generation;
    for (size_t i = 0; i < search->told; i++)
        if (search->told_locks[i] == locks)
            return;
    search->told_locks[search->told++] = locks;
    search->tell(search->context, search->process, search->ring, length);
}

/* Goes on from a ring's first `length` edges. The first one is the one with the least address, so that each
 * ring is come to once. */
static void extend(struct search *search, size_t length)
{
    const struct rw_process_info *process = search->process;
    const struct rw_lock_edge_info *last = search->ring[length - 1];

    if (length >= 2 && leads_to(last, search->ring[0])) {
        found(search, length);
        return;
    }
    for (size_t i = 0; i < process->lock_edge_count && length < RW_RING_MAX && search->told < RINGS_MAX &&
                       search->steps < STEPS_MAX;
         i++) {
        const struct rw_lock_edge_info *next = &process->lock_edges[i];
        bool is_fit = leads_to(last, next) && next->from > search->ring[0]->from;

        search->steps++;
        for (size_t j = 0; j < length && is_fit; j++)
            is_fit = fits(search->ring[j], next);
        if (!is_fit)
            continue;
        search->ring[length] = next;
        extend(search, length + 1);
    }
}

void rw_lock_rings(const struct rw_process_info *process, rw_tell_ring *tell, void *context)
{
    struct search search = {.process = process, .tell = tell, .context = context};

    for (size_t i = 0; i < process->lock_edge_count && search.told < RINGS_MAX; i++) {
        search.ring[0] = &process->lock_edges[i];
        extend(&search, 1);
    }
}

const char *rw_lock_place_words(void *context, const struct rw_lock_place *place)
{
    const struct rw_thread stack = {.native = place->native,
                                    .native_count = place->native_count,
                                    .python = place->python,
                                    .python_count = place->python_count};
    const char *words = rw_place(context, &stack);

    return words ? words : place->where;
}
