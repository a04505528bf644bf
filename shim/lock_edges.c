/* SPDX-License-Identifier: MIT */
/* The table of lock orders in the recording. */
#include "shim/lock_held.h"
#include "shim/lock_order.h"
#include "shim/lock_stacks.h"
#include "shim/maps_file.h"
#include "shim/recorder.h"
#include "shim/recording_file.h"
#include "shim/text.h"

#define SAME_EDGE 8u /* entries for one pair of locks: further threads tell nothing new */

static uint32_t used, edges_epoch;

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

/* What makes an edge another one: the locks, the thread and what it did to others, and what else it holds. */
static inline uint64_t key_of(uint64_t held, const struct rw_held *from, const struct rw_held *to)
{
    uint64_t key = mix(from->lock, to->lock);
    key =
        mix(key, ((uint64_t)from->generation << 32 | to->generation) + ((uint64_t)from->how << 16 | to->how));
    return (key + held) | 1;
}

static inline uint64_t all_held(const struct rw_locks *locks)
{
    uint64_t sum = (uint64_t)locks->step << 32;
    for (uint32_t i = 0; i < locks->count; i++)
        sum += locks->held[i].lock * 31; /* in whatever order */
    return sum;
}

static struct rw_lock_edge *room_for(const struct rw_held *from, const struct rw_held *to)
{
    uint32_t same = 0;
    for (uint32_t i = 0; i < used; i++)
        same += rw_lock_edges[i].from == from->lock && rw_lock_edges[i].to == to->lock &&
                rw_lock_edges[i].from_generation == from->generation &&
                rw_lock_edges[i].to_generation == to->generation;
    if (used == RW_LOCK_EDGE_MAX || same >= SAME_EDGE) {
        __atomic_fetch_add(&rw_header->lock_edges_left_out, 1, __ATOMIC_RELAXED);
        return NULL;
    }
    return &rw_lock_edges[used++];
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
        if (gate != from && !(gate->how & RW_LOCK_SHARED) && is_held_meanwhile(gate, to))
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
    edge->created_ns = slot->created_ns;
    edge->creator_tid = slot->creator_tid;
    edge->from = from->lock;
    edge->to = to->lock;
    edge->from_generation = from->generation;
    edge->to_generation = to->generation;
    edge->from_kind = kind_of(from);
    edge->to_kind = kind_of(to);
    edge->from_return_address = from->return_address;
    edge->to_return_address = to->return_address;
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

/* False: another thread was at it for too long. */
static bool write_down(struct rw_self *self, const struct rw_locks *locks, const struct rw_held *from,
                       const struct rw_held *to)
{
    if (!rw_table_begin(&rw_orders_writing))
        return false;
    if (edges_epoch != rw_live->epoch) {
        edges_epoch = rw_live->epoch;
        used = 0;
        rw_lock_stacks_begin();
    }
    struct rw_lock_edge *edge = room_for(from, to);
    if (edge) {
        fill(edge, self, locks, from, to);
        __atomic_store_n(&rw_header->lock_edges_written, used, __ATOMIC_RELEASE);
    }
    uint32_t count = used;
    rw_table_end(&rw_orders_writing);
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

static bool write_new(struct rw_self *self, struct rw_locks *locks, struct rw_held *from,
                      const struct rw_held *to)
{
    return rw_lock_is_signal(from) || !is_worth_it(from, to) || write_down(self, locks, from, to);
}

void rw_lock_edges_note(struct rw_self *self, struct rw_locks *locks, const struct rw_held *to)
{
    uint64_t held = all_held(locks);
    for (uint32_t i = 0; i < locks->count; i++) {
        struct rw_held *from = &locks->held[i];
        uint64_t key = key_of(held, from, to), *known = &locks->known[key >> 32 & (RW_KNOWN_MAX - 1)];
        if (__builtin_expect(*known == key, 1))
            continue;
        if (write_new(self, locks, from, to))
            *known = key;
    }
    if (__builtin_expect(locks->count > RW_HELD_MAX / 2, 0))
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

void rw_lock_edges_joined(int32_t tid, int32_t joiner_tid)
{
    uint64_t now = rw_recorder_now();
    if (!rw_table_begin(&rw_orders_writing))
        return;
    for (uint32_t i = 0; i < used && edges_epoch == rw_live->epoch; i++) {
        struct rw_lock_edge *edge = &rw_lock_edges[i];
        if (edge->tid != tid || edge->joined_ns != 0)
            continue;
        edge->joiner_tid = joiner_tid;
        __atomic_store_n(&edge->joined_ns, now, __ATOMIC_RELEASE);
    }
    rw_table_end(&rw_orders_writing);
}
