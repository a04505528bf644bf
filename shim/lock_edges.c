/* SPDX-License-Identifier: MIT */
/* The table of lock orders in the recording. */
#include "shim/lock_edges.h"

#include <sys/mman.h>

#include "shim/lock_order.h"
#include "shim/lock_stacks.h"
#include "shim/maps_file.h"
#include "shim/raw.h"
#include "shim/recorder.h"
#include "shim/recording_file.h"
#include "shim/text.h"

#define SAME_EDGE 16u /* entries for one pair of locks: further threads tell hardly anything new */
#define NONE UINT32_MAX

struct rw_order *rw_orders;

static uint32_t used, edges_epoch, serials, uses;

bool rw_lock_edges_prepare(void)
{
    long memory = rw_raw6(SYS_mmap, 0, RW_LOCK_EDGE_MAX * sizeof(struct rw_order), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (rw_raw_is_error(memory))
        return false;
    rw_orders = (struct rw_order *)memory;
    return true;
}

uint32_t rw_lock_edges_used(void)
{
    return used;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

/* What makes a thread's edge another one: the locks, how they were taken, and what else it holds. */
static inline uint64_t key_of(uint64_t held, const struct rw_held *from, const struct rw_held *to)
{
    uint64_t key = mix(from->lock, to->lock);
    key =
        mix(key, ((uint64_t)from->generation << 32 | to->generation) + ((uint64_t)from->how << 16 | to->how));
    return (key + held) | 1;
}

static inline uint64_t all_held(const struct rw_locks *locks)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < locks->count; i++)
        sum += locks->held[i].lock * 31; /* in whatever order */
    return sum;
}

static void lose(uint32_t count)
{
    __atomic_fetch_add(&rw_header->lock_edges_left_out, count, __ATOMIC_RELAXED);
}

static void remove_entry(uint32_t number)
{
    struct rw_lock_edge *edge = &rw_lock_edges[number];
    rw_order_goes(number);
    rw_write_begin(&edge->sequence);
    __atomic_fetch_or(&edge->flags, RW_EDGE_GONE, __ATOMIC_RELAXED);
    rw_write_end(&edge->sequence);
    rw_lock_stack_release(edge->from_stack);
    rw_lock_stack_release(edge->to_stack);
    rw_orders[number].serial = 0;
}

/* Nothing that comes can meet it: it is no lock's, one of its locks is no more, or all threads there are have
 * seen what its thread did since. */
static bool is_done(uint32_t number, const uint32_t least[RW_LANES])
{
    const struct rw_lock_edge *edge = &rw_lock_edges[number];
    const struct rw_order *order = &rw_orders[number];
    return edge->flags & (RW_EDGE_FROM_SIGNAL | RW_EDGE_TO_SIGNAL) || order->lane == 0 ||
           !rw_lock_is_still(edge->from, edge->from_generation) ||
           !rw_lock_is_still(edge->to, edge->to_generation) ||
           (rw_lane_is_over(order->lane - 1) && least[order->lane - 1] >= order->last);
}

static uint32_t remove_done(void)
{
    uint32_t least[RW_LANES], count = 0;
    rw_clocks_least(least);
    for (uint32_t i = 0; i < used; i++) {
        if (rw_orders[i].serial != 0 && !rw_orders[i].has_met && is_done(i, least)) {
            remove_entry(i);
            count++;
        }
    }
    return count;
}

/* A quarter of the table: those that came about longest ago. */
static uint32_t remove_old(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < used; i++) {
        if (rw_orders[i].serial != 0 && !rw_orders[i].has_met && !rw_orders[i].is_in_ring &&
            uses - rw_orders[i].used_at > RW_LOCK_EDGE_MAX / 4) {
            remove_entry(i);
            count++;
        }
    }
    lose(count);
    return count;
}

static uint32_t find_free(void)
{
    static uint32_t from;
    for (uint32_t i = 0; i < RW_LOCK_EDGE_MAX; i++) {
        uint32_t number = (from + i) % RW_LOCK_EDGE_MAX;
        if (number >= used || rw_orders[number].serial == 0) {
            from = number + 1;
            return number < used ? number : used++;
        }
    }
    return NONE;
}

static uint32_t take_free(void)
{
    uint32_t number = used < RW_LOCK_EDGE_MAX ? used++ : find_free();
    if (number == NONE && (remove_done() != 0 || remove_old() != 0))
        number = find_free();
    return number;
}

static bool is_between(const struct rw_lock_edge *edge, const struct rw_held *from, const struct rw_held *to)
{
    return edge->from == from->lock && edge->to == to->lock && edge->from_generation == from->generation &&
           edge->to_generation == to->generation;
}

/* Where many threads take the same two locks, the last of those that are over makes room. */
static uint32_t room_for(const struct rw_held *from, const struct rw_held *to)
{
    uint32_t same = 0, over = NONE;
    for (uint32_t i = 0; i < used; i++) {
        if (rw_orders[i].serial == 0 || !is_between(&rw_lock_edges[i], from, to))
            continue;
        same++;
        if (!rw_orders[i].has_met && (rw_orders[i].lane == 0 || rw_lane_is_over(rw_orders[i].lane - 1)))
            over = i;
    }
    if (same < SAME_EDGE)
        return take_free();
    if (over != NONE)
        remove_entry(over);
    return over;
}

static uint8_t kind_of(const struct rw_held *held)
{
    return held->how & RW_LOCK_GIL         ? RW_LOCK_KIND_GIL
           : held->how & RW_LOCK_PYTHON    ? RW_LOCK_KIND_PYTHON
           : held->how & RW_LOCK_SEMAPHORE ? RW_LOCK_KIND_SEMAPHORE
                                           : RW_LOCK_KIND_LIBC;
}

/* Who waits for one of Python's locks has given up the GIL meanwhile. */
static bool is_held_meanwhile(const struct rw_held *held, const struct rw_held *to)
{
    return !(to->how & RW_LOCK_PYTHON && held->how & RW_LOCK_GIL);
}

static void fill_gates(struct rw_lock_edge *edge, const struct rw_locks *locks, const struct rw_held *from,
                       const struct rw_held *to)
{
    edge->gate_count = 0;
    for (uint32_t i = 0; i < locks->count && edge->gate_count < RW_LOCK_GATE_MAX; i++) {
        const struct rw_held *gate = &locks->held[i];
        if (gate != from && !(gate->how & (RW_LOCK_SHARED | RW_LOCK_UNIT)) && is_held_meanwhile(gate, to) &&
            !rw_lock_is_signal(gate))
            edge->gates[edge->gate_count++] = gate->lock;
    }
}

static void fill(struct rw_lock_edge *edge, struct rw_self *self, const struct rw_locks *locks,
                 const struct rw_held *from, const struct rw_held *to)
{
    const struct rw_slot *slot = &self->area->slot;
    rw_write_begin(&edge->sequence);
    edge->tid = rw_self_tid(self);
    rw_copy(edge->name, slot->name, sizeof edge->name);
    edge->time_ns = rw_recorder_now();
    edge->meet_count = 0;
    edge->from = from->lock;
    edge->to = to->lock;
    edge->from_generation = from->generation;
    edge->to_generation = to->generation;
    edge->from_kind = kind_of(from);
    edge->to_kind = kind_of(to);
    edge->from_return_address = from->how & RW_LOCK_PYTHON ? 0 : from->return_address;
    edge->to_return_address = to->how & RW_LOCK_PYTHON ? 0 : to->return_address;
    edge->flags = (from->how & RW_LOCK_SHARED ? RW_EDGE_FROM_SHARED : 0) |
                  (to->how & RW_LOCK_SHARED ? RW_EDGE_TO_SHARED : 0);
    fill_gates(edge, locks, from, to);
    edge->from_stack = rw_lock_stack_record(from->site);
    rw_lock_site_need(self, locks, to->site);
    edge->to_stack = rw_lock_stack_record(to->site);
    rw_write_end(&edge->sequence);
}

/* Libraries that were loaded since are in the map only if it is made anew. One order alone contradicts
 * nobody. */
static void save_maps(uint32_t count)
{
    static uint32_t saving, epoch;
    static uint64_t generation;
    uint64_t now = rw_header->dl_generation;
    if (count < 2 || (epoch == rw_live->epoch && generation == now) || rw_is_confined ||
        __atomic_exchange_n(&saving, 1, __ATOMIC_ACQUIRE))
        return;
    epoch = rw_live->epoch;
    generation = now;
    rw_maps_save_anew();
    __atomic_store_n(&saving, 0, __ATOMIC_RELEASE);
}

static void begin_edges(void)
{
    if (edges_epoch == rw_live->epoch)
        return;
    edges_epoch = rw_live->epoch;
    used = 0;
    rw_lock_stacks_begin();
    rw_orders_begin();
}

/* The number of a new entry; NONE: there is no room. */
static uint32_t add(struct rw_self *self, struct rw_locks *locks, const struct rw_held *from,
                    const struct rw_held *to)
{
    uint32_t number = rw_clock_join_lanes(self, locks->clock) ? room_for(from, to) : NONE;
    if (number == NONE) {
        lose(1);
        return NONE;
    }
    if (rw_lock_stacks_are_full())
        remove_done();
    struct rw_order *order = &rw_orders[number];
    *order = (struct rw_order){.serial = ++serials, .lane = locks->clock->lane};
    order->last = locks->clock->seen[locks->clock->lane - 1];
    for (uint32_t i = 0; i < RW_LANES; i++)
        order->seen[i] = locks->clock->seen[i];
    fill(&rw_lock_edges[number], self, locks, from, to);
    rw_order_comes(number);
    __atomic_store_n(&rw_header->lock_edges_written, used, __ATOMIC_RELEASE);
    return number;
}

static bool is_still(const struct rw_known *known, uint64_t key)
{
    return known->key == key && known->entry != NONE && rw_orders[known->entry].serial == known->serial;
}

/* False: another thread was at it for too long. */
static bool write_down(struct rw_self *self, struct rw_locks *locks, const struct rw_held *from,
                       const struct rw_held *to, struct rw_known *known, uint64_t key)
{
    if (!rw_table_begin(&rw_orders_writing))
        return false;
    begin_edges();
    bool is_new = !is_still(known, key);
    uint32_t number = is_new ? add(self, locks, from, to) : known->entry, count = used;
    if (number != NONE) {
        struct rw_order *order = &rw_orders[number];
        order->last = locks->clock->seen[locks->clock->lane - 1];
        order->used_at = ++uses;
        locks->clock->is_noted = true;
        rw_order_meets(number, locks->clock);
        known->serial = order->serial;
    }
    known->entry = number;
    rw_table_end(&rw_orders_writing);
    if (is_new)
        save_maps(count);
    return true;
}

/* Nobody waits for one of Python's locks with the GIL held, so a ring through one to the GIL needs a third
 * lock; those edges would fill the table, and are left out. */
static bool is_worth_it(const struct rw_held *from, const struct rw_held *to)
{
    return is_held_meanwhile(from, to) && !(from->how & RW_LOCK_PYTHON && to->how & RW_LOCK_GIL);
}

/* Those that turned out to be signals are no longer held, nor were they ever. */
static void drop_signals(struct rw_locks *locks)
{
    for (uint32_t i = 0; i < locks->count;) {
        if (rw_lock_is_signal(&locks->held[i]))
            rw_held_remove(locks, &locks->held[i]);
        else
            i++;
    }
}

/* What came about before is written down once more where the thread has sent or received since. False: it
 * could not be. */
static bool note(struct rw_self *self, struct rw_locks *locks, const struct rw_held *from,
                 const struct rw_held *to, struct rw_known *known, uint64_t key)
{
    if (from->how & RW_LOCK_UNIT || rw_lock_is_signal(from) || !is_worth_it(from, to))
        known->entry = NONE;
    else if (!write_down(self, locks, from, to, known, key))
        return false;
    known->key = key;
    known->version = locks->clock->version;
    return true;
}

void rw_lock_edges_write(struct rw_self *self, struct rw_locks *locks, const struct rw_held *to)
{
    uint64_t held = all_held(locks);
    bool is_noted = true;
    for (uint32_t i = 0; i < locks->count; i++) {
        struct rw_held *from = &locks->held[i];
        uint64_t key = key_of(held, from, to);
        struct rw_known *known = &locks->known[key >> 32 & (RW_KNOWN_MAX - 1)];
        if (known->key != key || known->version != locks->clock->version)
            is_noted = note(self, locks, from, to, known, key) && is_noted;
    }
    if (is_noted)
        *rw_noted_at(locks, to->chain) = (struct rw_noted){to->chain, locks->clock->version};
    if (locks->count > RW_HELD_MAX / 2)
        drop_signals(locks);
}

void rw_lock_edges_signal(uint64_t lock, uint32_t generation)
{
    if (!rw_table_begin(&rw_orders_writing))
        return;
    for (uint32_t i = 0; i < used && edges_epoch == rw_live->epoch; i++) {
        struct rw_lock_edge *edge = &rw_lock_edges[i];
        uint32_t flags =
            (edge->from == lock && edge->from_generation == generation ? RW_EDGE_FROM_SIGNAL : 0) |
            (edge->to == lock && edge->to_generation == generation ? RW_EDGE_TO_SIGNAL : 0);
        if (flags != 0)
            __atomic_fetch_or(&edge->flags, flags, __ATOMIC_RELAXED);
    }
    rw_table_end(&rw_orders_writing);
}

void rw_lock_edges_leave_lane(uint32_t lane)
{
    uint32_t least[RW_LANES], lost = 0;
    rw_clocks_least(least);
    for (uint32_t i = 0; i < used; i++) {
        struct rw_order *order = &rw_orders[i];
        if (order->serial == 0 || order->lane != lane + 1)
            continue;
        lost += !is_done(i, least);
        if (order->has_met)
            order->lane = 0;
        else
            remove_entry(i);
    }
    lose(lost);
}
