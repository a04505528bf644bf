/* SPDX-License-Identifier: MIT */
#include "shim/lock_order.h"

#include <sys/mman.h>

#include "shim/maps_file.h"
#include "shim/raw.h"
#include "shim/real.h"
#include "shim/recorder.h"
#include "shim/recording_file.h"
#include "shim/text.h"
#include "shim/wait.h"

#define HELD_MAX 16u /* locks held at once; more are not known */
#define CACHE 256u   /* edges that a thread has written down already */
#define SAME_EDGE 8u /* entries for one pair of locks: further threads tell nothing new */
#define GENERATIONS 4096u

struct held {
    uint64_t lock;
    uint64_t return_address;
    uint32_t generation;
    uint16_t how;
    uint16_t depth; /* of a recursive one */
};

/* A thread's, by the number of its slot. */
struct locks {
    uint32_t slot_generation; /* whose it is */
    uint32_t epoch;
    uint32_t count;
    uint32_t step; /* creations and joins so far */
    struct held held[HELD_MAX];
    uint64_t cache[CACHE];
};

bool rw_lock_order_on;

static struct locks *all;
static uint32_t generations[GENERATIONS]; /* of addresses, by hash: destroyed locks so far */
static uint32_t writing, used, edges_epoch;
static const char never_single;

void rw_lock_order_prepare(void)
{
    long memory = rw_raw6(SYS_mmap, 0, RW_SLOT_MAX * sizeof(struct locks), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (rw_raw_is_error(memory))
        return;
    all = (struct locks *)memory;
    rw_lock_edge_room = RW_LOCK_EDGE_MAX;
    rw_is_single_threaded = &never_single; /* the path for one thread alone takes locks without a word */
    rw_lock_order_on = true;
}

static struct locks *locks_of(const struct rw_self *self)
{
    struct locks *locks = &all[self->slot];
    uint32_t generation = self->area->slot.generation;
    if (locks->slot_generation != generation || locks->epoch != rw_live->epoch) {
        rw_zero(locks, sizeof *locks);
        locks->slot_generation = generation;
        locks->epoch = rw_live->epoch;
    }
    return locks;
}

static uint32_t *generation_of(uint64_t lock)
{
    return &generations[(lock >> 3 ^ lock >> 15) % GENERATIONS];
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

/* What makes an edge another one: the locks, the thread and what it did to others, and what else it holds. */
static uint64_t key_of(const struct locks *locks, const struct held *from, const struct held *to)
{
    uint64_t key = mix(mix(from->lock, to->lock), (uint64_t)from->generation << 32 | to->generation);
    key = mix(key, (uint64_t)locks->step << 32 | (uint64_t)from->how << 16 | to->how);
    for (uint32_t i = 0; i < locks->count; i++)
        key += locks->held[i].lock * 31; /* in whatever order */
    return key | 1;
}

static struct rw_lock_edge *room_for(const struct held *from, const struct held *to)
{
    uint32_t same = 0;
    for (uint32_t i = 0; i < used; i++)
        same += rw_lock_edges[i].from == from->lock && rw_lock_edges[i].to == to->lock;
    if (used == RW_LOCK_EDGE_MAX || same >= SAME_EDGE) {
        __atomic_fetch_add(&rw_header->lock_edges_left_out, 1, __ATOMIC_RELAXED);
        return NULL;
    }
    return &rw_lock_edges[used++];
}

static void write_down(struct rw_self *self, const struct locks *locks, const struct held *from,
                       const struct held *to)
{
    if (!rw_table_begin(&writing))
        return;
    if (edges_epoch != rw_live->epoch) {
        edges_epoch = rw_live->epoch;
        used = 0;
    }
    struct rw_lock_edge *edge = room_for(from, to);
    if (edge) {
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
        edge->from_return_address = from->return_address;
        edge->to_return_address = to->return_address;
        edge->flags = (from->how & RW_LOCK_SHARED ? RW_EDGE_FROM_SHARED : 0) |
                      (to->how & RW_LOCK_SHARED ? RW_EDGE_TO_SHARED : 0);
        edge->gate_count = 0;
        for (uint32_t i = 0; i < locks->count && edge->gate_count < RW_LOCK_GATE_MAX; i++) {
            if (&locks->held[i] != from && !(locks->held[i].how & RW_LOCK_SHARED))
                edge->gates[edge->gate_count++] = locks->held[i].lock;
        }
        rw_capture_into(self, &edge->capture, edge->stack, sizeof edge->stack, edge->time_ns);
        rw_write_end(&edge->sequence);
        __atomic_store_n(&rw_header->lock_edges_written, used, __ATOMIC_RELEASE);
        if (used == 2 && !rw_is_confined) /* one alone contradicts nobody */
            rw_maps_save();
    }
    rw_table_end(&writing);
}

/* A lock that was taken by trying did not wait, so nobody can have waited for the thread in a ring. */
static void note_edges(struct rw_self *self, struct locks *locks, const struct held *to)
{
    for (uint32_t i = 0; i < locks->count; i++) {
        const struct held *from = &locks->held[i];
        uint64_t key = key_of(locks, from, to), *known = &locks->cache[key >> 32 & (CACHE - 1)];
        if (*known == key)
            continue;
        *known = key;
        write_down(self, locks, from, to);
    }
}

static struct held *find(struct locks *locks, uint64_t lock)
{
    for (uint32_t i = locks->count; i-- > 0;) {
        if (locks->held[i].lock == lock)
            return &locks->held[i];
    }
    return NULL;
}

void rw_lock_taken_at(const volatile void *lock, unsigned how, const void *return_address)
{
    struct rw_self *self = rw_enter();
    if (!self)
        return;
    struct locks *locks = locks_of(self);
    struct held *again = find(locks, (uint64_t)lock);
    struct held taken = {(uint64_t)lock, (uint64_t)return_address, *generation_of((uint64_t)lock),
                         (uint16_t)how, 1};
    if (again) {
        again->depth++;
    } else {
        if (locks->count > 0 && !(how & RW_LOCK_BY_TRYING))
            note_edges(self, locks, &taken);
        if (locks->count < HELD_MAX)
            locks->held[locks->count++] = taken;
    }
    rw_leave(self);
}

void rw_lock_given_at(const volatile void *lock)
{
    struct rw_self *self = rw_self.area ? rw_enter() : NULL;
    if (!self)
        return;
    struct locks *locks = locks_of(self);
    struct held *held = find(locks, (uint64_t)lock);
    if (held && --held->depth == 0) {
        uint32_t behind = (uint32_t)(&locks->held[--locks->count] - held);
        for (uint32_t i = 0; i < behind; i++)
            held[i] = held[i + 1];
    }
    rw_leave(self);
}

void rw_lock_gone_at(const volatile void *lock)
{
    __atomic_fetch_add(generation_of((uint64_t)lock), 1, __ATOMIC_RELAXED);
}

void rw_lock_order_step(void)
{
    struct rw_self *self = rw_lock_order_on ? rw_enter() : NULL;
    if (!self)
        return;
    locks_of(self)->step++;
    rw_leave(self);
}

/* What the joined thread did was over before whatever its joiner does from now on. */
void rw_lock_order_joined(int32_t tid)
{
    rw_lock_order_step();
    struct rw_self *self = rw_lock_order_on ? rw_enter_without_slot() : NULL;
    if (!self)
        return;
    uint64_t now = rw_recorder_now();
    if (rw_table_begin(&writing)) {
        for (uint32_t i = 0; i < used && edges_epoch == rw_live->epoch; i++) {
            struct rw_lock_edge *edge = &rw_lock_edges[i];
            if (edge->tid != tid || edge->joined_ns != 0)
                continue;
            edge->joiner_tid = rw_self_tid(self);
            __atomic_store_n(&edge->joined_ns, now, __ATOMIC_RELEASE);
        }
        rw_table_end(&writing);
    }
    rw_leave(self);
}
