/* SPDX-License-Identifier: MIT */
/*
 * Which orders can meet. Two of them can if neither comes before the other. A thread's order comes about
 * again and again, and an earlier time may have come before what a later one did not; so it is asked each
 * time that the thread's clock has changed, of the last time of each other: what that came before, all
 * earlier ones did. Asked are only orders that may be of one ring, by the locks; programs without
 * contradictions have none.
 */
#include "shim/lock_edges.h"
#include "shim/recording_file.h"

#define LOCKS 2048u /* by hash: two that share a place make orders look like a ring's that are of none */
#define PASSES 64u

static uint16_t out_of[LOCKS], into[LOCKS]; /* orders from a lock, and to it */
static uint16_t in_ring[RW_LOCK_EDGE_MAX];
static uint32_t ring_count;

static uint32_t place_of(uint64_t lock, uint32_t generation)
{
    return (uint32_t)((lock + generation) * UINT64_C(0x9e3779b97f4a7c15) >> 40) % LOCKS;
}

static uint32_t from_of(const struct rw_lock_edge *edge)
{
    return place_of(edge->from, edge->from_generation);
}

static uint32_t to_of(const struct rw_lock_edge *edge)
{
    return place_of(edge->to, edge->to_generation);
}

static bool share_gate(const struct rw_lock_edge *a, const struct rw_lock_edge *b)
{
    for (uint32_t i = 0; i < a->gate_count && i < RW_LOCK_GATE_MAX; i++) {
        for (uint32_t j = 0; j < b->gate_count && j < RW_LOCK_GATE_MAX; j++) {
            if (a->gates[i] == b->gates[j])
                return true;
        }
    }
    return false;
}

static bool is_signal(const struct rw_lock_edge *edge)
{
    return edge->flags & (RW_EDGE_FROM_SIGNAL | RW_EDGE_TO_SIGNAL);
}

static bool knows(const struct rw_lock_edge *edge, uint32_t other)
{
    for (uint32_t i = 0; i < edge->meet_count && i < RW_LOCK_MEET_MAX; i++) {
        if (edge->meets[i] == other)
            return true;
    }
    return false;
}

static bool add(uint32_t number, uint32_t other)
{
    struct rw_lock_edge *edge = &rw_lock_edges[number];
    if (edge->meet_count >= RW_LOCK_MEET_MAX)
        return false;
    edge->meets[edge->meet_count] = (uint16_t)other;
    __atomic_store_n(&edge->meet_count, edge->meet_count + 1, __ATOMIC_RELEASE);
    return true;
}

/* One of the two has room for it as a rule. */
static void meet(uint32_t a, uint32_t b)
{
    rw_orders[a].has_met = rw_orders[b].has_met = true;
    if (!add(a, b) && !add(b, a))
        __atomic_fetch_add(&rw_header->lock_edges_left_out, 1, __ATOMIC_RELAXED);
}

static bool may_meet(uint32_t a, uint32_t b)
{
    const struct rw_lock_edge *one = &rw_lock_edges[a], *other = &rw_lock_edges[b];
    return rw_orders[a].lane != 0 && rw_orders[b].lane != 0 && rw_orders[a].lane != rw_orders[b].lane &&
           !is_signal(one) && !is_signal(other) && !share_gate(one, other) && !knows(one, b) &&
           !knows(other, a);
}

/* All times of `a` come before the first one of `b`. */
static bool is_before(const struct rw_order *a, const struct rw_order *b)
{
    return b->seen[a->lane - 1] >= a->last;
}

static void ring_begins(uint32_t number)
{
    rw_orders[number].is_in_ring = true;
    for (uint32_t i = 0; i < ring_count; i++) {
        if (may_meet(number, in_ring[i]) && !is_before(&rw_orders[number], &rw_orders[in_ring[i]]) &&
            !is_before(&rw_orders[in_ring[i]], &rw_orders[number]))
            meet(number, in_ring[i]);
    }
    in_ring[ring_count++] = (uint16_t)number;
}

/* Takes away, again and again, the orders that none leads to, and those that lead to none: what is left
 * contains all rings. */
static void find_rings(void)
{
    static uint16_t out[LOCKS], in[LOCKS];
    static bool is_left[RW_LOCK_EDGE_MAX];
    uint32_t used = rw_lock_edges_used();
    bool is_done = false;
    for (uint32_t i = 0; i < LOCKS; i++) {
        out[i] = out_of[i];
        in[i] = into[i];
    }
    for (uint32_t i = 0; i < used; i++)
        is_left[i] = rw_orders[i].serial != 0;
    for (uint32_t pass = 0; pass < PASSES && !is_done; pass++) {
        is_done = true;
        for (uint32_t i = 0; i < used; i++) {
            if (!is_left[i] || (in[from_of(&rw_lock_edges[i])] != 0 && out[to_of(&rw_lock_edges[i])] != 0))
                continue;
            out[from_of(&rw_lock_edges[i])]--;
            in[to_of(&rw_lock_edges[i])]--;
            is_done = is_left[i] = false;
        }
    }
    for (uint32_t i = 0; i < used; i++) {
        if (is_left[i] && !rw_orders[i].is_in_ring)
            ring_begins(i);
    }
}

void rw_order_comes(uint32_t number)
{
    const struct rw_lock_edge *edge = &rw_lock_edges[number];
    out_of[from_of(edge)]++;
    into[to_of(edge)]++;
    if (into[from_of(edge)] != 0 && out_of[to_of(edge)] != 0)
        find_rings();
}

void rw_order_goes(uint32_t number)
{
    const struct rw_lock_edge *edge = &rw_lock_edges[number];
    out_of[from_of(edge)]--;
    into[to_of(edge)]--;
    for (uint32_t i = 0; i < ring_count; i++) {
        if (in_ring[i] == number)
            in_ring[i] = in_ring[--ring_count];
    }
}

void rw_order_meets(uint32_t number, const struct rw_clock *clock)
{
    for (uint32_t i = 0; rw_orders[number].is_in_ring && i < ring_count; i++) {
        uint32_t other = in_ring[i];
        if (rw_orders[other].lane != 0 && rw_orders[other].last > clock->seen[rw_orders[other].lane - 1] &&
            may_meet(number, other))
            meet(number, other);
    }
}

void rw_orders_begin(void)
{
    ring_count = 0;
    for (uint32_t i = 0; i < LOCKS; i++)
        out_of[i] = into[i] = 0;
}
