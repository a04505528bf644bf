/* SPDX-License-Identifier: MIT */
#include "shim/lock_order.h"

#include <errno.h>
#include <sys/mman.h>

#include "shim/lock_held.h"
#include "shim/lock_stacks.h"
#include "shim/python_hooks.h"
#include "shim/raw.h"
#include "shim/real.h"
#include "shim/recording_file.h"
#include "shim/text.h"

#define GENERATIONS 65536u
#define SIGNAL 1u /* beside the generation, which is counted in twos */

bool rw_lock_order_on;

static struct rw_locks *all;              /* by the number of the slot */
static uint32_t generations[GENERATIONS]; /* of addresses, by hash: destroyed locks so far; atomic */
static const char never_single;

void rw_lock_order_prepare(void)
{
    long memory = rw_raw6(SYS_mmap, 0, RW_SLOT_MAX * sizeof(struct rw_locks), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (rw_raw_is_error(memory) || !rw_lock_stacks_prepare())
        return;
    all = (struct rw_locks *)memory;
    rw_recording_has_orders = true;
    rw_is_single_threaded = &never_single; /* the path for one thread alone takes locks without a word */
    rw_lock_order_on = true;
}

static inline struct rw_locks *locks_of(const struct rw_self *self)
{
    struct rw_locks *locks = &all[self->slot];
    uint32_t generation = self->area->slot.generation;
    if (__builtin_expect(locks->slot_generation != generation || locks->epoch != rw_live->epoch, 0)) {
        rw_zero(locks, sizeof *locks);
        locks->slot_generation = generation;
        locks->epoch = rw_live->epoch;
    }
    return locks;
}

static inline uint32_t *generation_of(uint64_t lock)
{
    return &generations[(lock >> 3 ^ lock >> 19) % GENERATIONS];
}

bool rw_lock_is_signal(const struct rw_held *held)
{
    uint32_t now = __atomic_load_n(generation_of(held->lock), __ATOMIC_RELAXED);
    return (held->how & (RW_LOCK_SEMAPHORE | RW_LOCK_PYTHON)) && (now & SIGNAL || now != held->generation);
}

static void mark_signal(uint64_t lock)
{
    uint32_t before = __atomic_fetch_or(generation_of(lock), SIGNAL, __ATOMIC_RELAXED);
    if (!(before & SIGNAL))
        rw_lock_edges_signal(lock, before);
}

struct rw_held *rw_held_find(struct rw_locks *locks, uint64_t lock)
{
    for (uint32_t i = locks->count; i-- > 0;) {
        if (locks->held[i].lock == lock)
            return &locks->held[i];
    }
    return NULL;
}

void rw_held_remove(struct rw_locks *locks, struct rw_held *held)
{
    uint32_t behind = (uint32_t)(&locks->held[--locks->count] - held);
    for (uint32_t i = 0; i < behind; i++)
        held[i] = held[i + 1];
}

inline void rw_held_add(struct rw_self *self, struct rw_locks *locks, uint64_t lock, unsigned how,
                        uint64_t call, const void *return_address)
{
    if (__builtin_expect(locks->count == RW_HELD_MAX, 0))
        return;
    const struct rw_held taken = {
        .lock = lock,
        .return_address = (uint64_t)return_address,
        .site =
            rw_lock_site(self, locks, how & RW_LOCK_GIL, lock, call, (uintptr_t)__builtin_frame_address(0)),
        .generation = __atomic_load_n(generation_of(lock), __ATOMIC_RELAXED) & ~SIGNAL,
        .how = (uint16_t)how,
        .depth = 1,
    };
    /* Who took it by trying did not wait, so nobody can have waited for the thread in a ring. */
    if (locks->count > 0 && !(how & RW_LOCK_BY_TRYING))
        rw_lock_edges_note(self, locks, &taken);
    if (locks->count < RW_HELD_MAX)
        locks->held[locks->count++] = taken;
}

void rw_order_taken_at(const volatile void *lock, unsigned how, const void *return_address)
{
    struct rw_self *self = rw_enter();
    if (!self)
        return;
    struct rw_locks *locks = locks_of(self);
    bool is_python = rw_python_is_caller(return_address);
    if (!is_python || !rw_lock_gil_taken(self, locks, (uint64_t)lock, return_address)) {
        struct rw_held *again = rw_held_find(locks, (uint64_t)lock);
        if (again)
            again->depth++;
        else
            rw_held_add(self, locks, (uint64_t)lock, how | (is_python ? RW_LOCK_BY_PYTHON : 0),
                        (uint64_t)return_address, return_address);
    }
    rw_leave(self);
}

/* The calling thread's, where it has some. */
static inline struct rw_self *enter_holder(struct rw_locks **locks)
{
    struct rw_self *self = rw_self.area ? rw_enter() : NULL;
    if (self)
        *locks = locks_of(self);
    return self;
}

void rw_order_given_at(const volatile void *lock)
{
    struct rw_locks *locks;
    struct rw_self *self = enter_holder(&locks);
    if (!self)
        return;
    if (!rw_lock_gil_given(locks, (uint64_t)lock)) {
        struct rw_held *held = rw_held_find(locks, (uint64_t)lock);
        if (held && --held->depth == 0)
            rw_held_remove(locks, held);
    }
    rw_leave(self);
}

/* The value is the lower half of `data` in struct new_sem; glibc 2.21 to 2.36,
 * sysdeps/nptl/internaltypes.h. */
static bool is_left(const void *semaphore)
{
    return (uint32_t)__atomic_load_n((const uint64_t *)semaphore, __ATOMIC_RELAXED) != 0;
}

/* What can be taken once more is no lock. Python's own semaphores lie beneath its locks, which are known by
 * themselves. */
void rw_order_semaphore_taken(const void *semaphore, unsigned how, const void *return_address)
{
    struct rw_self *self = rw_python_is_caller(return_address) ? NULL : rw_enter();
    if (!self)
        return;
    struct rw_locks *locks = locks_of(self);
    struct rw_held *again = rw_held_find(locks, (uint64_t)semaphore);
    if (again)
        rw_held_remove(locks, again);
    if (again || is_left(semaphore))
        mark_signal((uint64_t)semaphore);
    else if (!(__atomic_load_n(generation_of((uint64_t)semaphore), __ATOMIC_RELAXED) & SIGNAL))
        rw_held_add(self, locks, (uint64_t)semaphore, how | RW_LOCK_SEMAPHORE, (uint64_t)return_address,
                    return_address);
    rw_leave(self);
}

void rw_order_semaphore_given(const void *semaphore)
{
    struct rw_locks *locks;
    struct rw_self *self = rw_lock_order_on ? enter_holder(&locks) : NULL;
    if (!self)
        return;
    struct rw_held *held = rw_held_find(locks, (uint64_t)semaphore);
    bool is_counter = is_left(semaphore);
    if (held)
        rw_held_remove(locks, held);
    if (!held || is_counter)
        mark_signal((uint64_t)semaphore);
    rw_leave(self);
}

/* A Lock that its holder takes once more was released by another thread meanwhile: a signal. */
void rw_order_python_taken(const void *lock, unsigned how, uint64_t call)
{
    struct rw_self *self = rw_enter();
    if (!self)
        return;
    struct rw_locks *locks = locks_of(self);
    struct rw_held *again = rw_held_find(locks, (uint64_t)lock);
    if (again && how & RW_LOCK_RECURSIVE) {
        again->depth++;
    } else if (again) {
        rw_held_remove(locks, again);
        mark_signal((uint64_t)lock);
    } else if (!(__atomic_load_n(generation_of((uint64_t)lock), __ATOMIC_RELAXED) & SIGNAL)) {
        rw_held_add(self, locks, (uint64_t)lock, how | RW_LOCK_PYTHON, call, NULL);
    }
    rw_leave(self);
}

/* Nobody but its holder can release an RLock. */
void rw_order_python_given(const void *lock, unsigned how, bool is_wholly)
{
    struct rw_locks *locks;
    struct rw_self *self = enter_holder(&locks);
    if (!self)
        return;
    struct rw_held *held = rw_held_find(locks, (uint64_t)lock);
    if (held && (is_wholly || --held->depth == 0))
        rw_held_remove(locks, held);
    else if (!held && !(how & RW_LOCK_RECURSIVE) && locks->count < RW_HELD_MAX)
        mark_signal((uint64_t)lock);
    rw_leave(self);
}

void rw_order_python_renewed(const void *lock)
{
    struct rw_locks *locks;
    struct rw_self *self = enter_holder(&locks);
    if (!self)
        return;
    struct rw_held *held = rw_held_find(locks, (uint64_t)lock);
    if (held)
        rw_held_remove(locks, held);
    rw_leave(self);
}

void rw_order_gone_at(const volatile void *lock)
{
    uint32_t *generation = generation_of((uint64_t)lock), now = *generation;
    while (!__atomic_compare_exchange_n(generation, &now, (now & ~SIGNAL) + 2, true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
        ;
}

unsigned rw_order_held(void)
{
    struct rw_locks *locks;
    struct rw_self *self = enter_holder(&locks);
    if (!self)
        return 0;
    unsigned holding = locks->has_gil ? RW_HOLDS_GIL : 0;
    for (uint32_t i = 0; i < locks->count; i++)
        holding |= locks->held[i].how & RW_LOCK_GIL ? 0 : RW_HOLDS_OTHERS;
    rw_leave(self);
    return holding;
}

void rw_lock_order_step(void)
{
    struct rw_self *self = rw_lock_order_on ? rw_enter() : NULL;
    if (!self)
        return;
    locks_of(self)->step++;
    rw_leave(self);
}

void rw_lock_order_joined(int32_t tid)
{
    rw_lock_order_step();
    struct rw_self *self = rw_lock_order_on ? rw_enter_without_slot() : NULL;
    if (!self)
        return;
    rw_lock_edges_joined(tid, rw_self_tid(self));
    rw_leave(self);
}
