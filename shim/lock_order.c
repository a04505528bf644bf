/* SPDX-License-Identifier: MIT */
#include "shim/lock_order.h"

#include <errno.h>
#include <sys/mman.h>

#include "shim/lock_edges.h"
#include "shim/lock_held.h"
#include "shim/lock_places.h"
#include "shim/lock_stacks.h"
#include "shim/python_hooks.h"
#include "shim/raw.h"
#include "shim/real.h"
#include "shim/recording_file.h"
#include "shim/slot.h"
#include "shim/text.h"

#define GENERATIONS 65536u
#define OF_THREAD (UINT64_C(1) << 63) /* objects of clocks that are threads, by tid */

bool rw_lock_order_on;

static struct rw_locks *all;              /* by the number of the slot */
static uint32_t generations[GENERATIONS]; /* of addresses, by hash: destroyed locks so far; atomic */
static const char never_single;

void rw_lock_order_prepare(void)
{
    long memory = rw_raw6(SYS_mmap, 0, RW_SLOT_MAX * sizeof(struct rw_locks), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (rw_raw_is_error(memory) || !rw_lock_stacks_prepare() || !rw_lock_edges_prepare() ||
        !rw_clocks_prepare())
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
        locks->clock = rw_clock_of(self);
    }
    return locks;
}

static inline uint32_t *generation_of(uint64_t lock)
{
    return &generations[(lock >> 3 ^ lock >> 19) % GENERATIONS];
}

uint32_t rw_lock_word(uint64_t lock)
{
    return __atomic_load_n(generation_of(lock), __ATOMIC_RELAXED);
}

bool rw_lock_is_still(uint64_t lock, uint32_t generation)
{
    return (rw_lock_word(lock) & ~RW_WORD_FLAGS) == generation;
}

bool rw_lock_is_signal(const struct rw_held *held)
{
    uint32_t now = rw_lock_word(held->lock);
    return (held->how & (RW_LOCK_SEMAPHORE | RW_LOCK_PYTHON)) &&
           (now & (RW_WORD_SIGNAL | RW_WORD_COUNTER) || (now & ~RW_WORD_FLAGS) != held->generation);
}

void rw_lock_mark(uint64_t lock, uint32_t flag)
{
    uint32_t before = rw_lock_word(lock);
    if (before & flag)
        return;
    before = __atomic_fetch_or(generation_of(lock), flag, __ATOMIC_RELAXED);
    if (flag & (RW_WORD_SIGNAL | RW_WORD_COUNTER) && !(before & (RW_WORD_SIGNAL | RW_WORD_COUNTER)))
        rw_lock_edges_signal(lock, before & ~RW_WORD_FLAGS);
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
    for (uint32_t i = 0; i < behind; i++) {
        held[i] = held[i + 1];
        held[i].chain = rw_chain_of(locks, &held[i]);
    }
}

/* Who finds that what it would have waited for has happened knows it from who signalled it. */
static __attribute__((noinline, cold)) void learn_what_was_signalled(const struct rw_self *self,
                                                                     uint64_t mutex, uint64_t return_address)
{
    uint64_t condition = rw_place_condition(mutex, return_address);
    if (condition != 0)
        rw_clock_receive(self, condition);
}

/* Some of those below it may have been dropped. */
static inline void keep(struct rw_locks *locks, const struct rw_held *taken)
{
    struct rw_held *top = &locks->held[locks->count++];
    if (__builtin_expect(top != taken, 0)) {
        *top = *taken;
        top->chain = rw_chain_of(locks, top);
    }
}

static inline __attribute__((always_inline)) void held_add(struct rw_self *self, struct rw_locks *locks,
                                                           uint64_t lock, unsigned how, uint64_t call,
                                                           const void *return_address)
{
    if (__builtin_expect(locks->count == RW_HELD_MAX, 0))
        return;
    uint32_t word = rw_lock_word(lock);
    struct rw_held *taken = &locks->held[locks->count];
    *taken = (struct rw_held){
        .lock = lock,
        .return_address = (uint64_t)return_address,
        .site =
            rw_lock_site(self, locks, how & RW_LOCK_GIL, lock, call, (uintptr_t)__builtin_frame_address(0)),
        .generation = word & ~RW_WORD_FLAGS,
        .how = (uint16_t)how,
        .depth = 1,
    };
    taken->chain = rw_chain_of(locks, taken);
    /* Who took it by trying did not wait, so nobody can have waited for the thread in a ring. */
    if (locks->count > 0 && !(how & RW_LOCK_BY_TRYING))
        rw_lock_edges_note(self, locks, taken);
    keep(locks, taken);
    if (__builtin_expect(word & RW_WORD_MONITOR, 0) && !(how & RW_LOCK_PYTHON))
        learn_what_was_signalled(self, lock, (uint64_t)return_address);
}

void rw_held_add(struct rw_self *self, struct rw_locks *locks, uint64_t lock, unsigned how, uint64_t call,
                 const void *return_address)
{
    held_add(self, locks, lock, how, call, return_address);
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
            held_add(self, locks, (uint64_t)lock, how | (is_python ? RW_LOCK_BY_PYTHON : 0),
                     (uint64_t)return_address, return_address);
    }
    rw_leave(self);
}

struct rw_self *rw_locks_enter(struct rw_locks **locks)
{
    struct rw_self *self = rw_enter();
    if (self)
        *locks = locks_of(self);
    return self;
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
    struct rw_held *last = &locks->held[locks->count - 1];
    if (__builtin_expect(locks->count > 0 && last->lock == (uint64_t)lock && last->depth == 1 &&
                             locks->gil_mutex == 0,
                         1)) {
        locks->count--;
    } else if (!rw_lock_gil_given(locks, (uint64_t)lock)) {
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

static void add_unit(struct rw_locks *locks, uint64_t semaphore)
{
    if (locks->count < RW_HELD_MAX)
        keep(locks, &(struct rw_held){.lock = semaphore,
                                      .how = RW_LOCK_SEMAPHORE | RW_LOCK_BY_TRYING | RW_LOCK_UNIT,
                                      .depth = 1});
}

/* What can be taken once more is no lock. Python's own semaphores lie beneath its locks, which are known by
 * themselves. */
void rw_order_semaphore_taken(const void *semaphore, unsigned how, const void *return_address)
{
    struct rw_self *self = rw_python_is_caller(return_address) ? NULL : rw_enter();
    if (!self)
        return;
    struct rw_locks *locks = locks_of(self);
    uint64_t lock = (uint64_t)semaphore;
    struct rw_held *again = rw_held_find(locks, lock);
    if (rw_lock_word(lock) & RW_WORD_SIGNAL) {
        if (again)
            rw_held_remove(locks, again);
        rw_clock_receive(self, lock);
    } else if (again) {
        again->how |= RW_LOCK_UNIT;
        again->depth++;
        rw_lock_mark(lock, RW_WORD_COUNTER);
    } else if (rw_lock_word(lock) & RW_WORD_COUNTER || is_left(semaphore)) {
        add_unit(locks, lock);
        rw_lock_mark(lock, RW_WORD_COUNTER);
    } else {
        rw_held_add(self, locks, lock, how | RW_LOCK_SEMAPHORE, (uint64_t)return_address, return_address);
    }
    rw_leave(self);
}

/* Who posts what it did not take lets others go on. */
void rw_order_semaphore_given(const void *semaphore)
{
    struct rw_locks *locks;
    struct rw_self *self = rw_enter();
    if (!self)
        return;
    locks = locks_of(self);
    uint64_t lock = (uint64_t)semaphore;
    struct rw_held *held = rw_held_find(locks, lock);
    if (is_left(semaphore))
        rw_lock_mark(lock, RW_WORD_COUNTER);
    if (!held)
        rw_lock_mark(lock, RW_WORD_SIGNAL);
    if (rw_lock_word(lock) & RW_WORD_SIGNAL)
        rw_clock_send(self, lock);
    if (held && --held->depth == 0)
        rw_held_remove(locks, held);
    rw_leave(self);
}

void rw_order_gone_at(const volatile void *lock)
{
    uint32_t *generation = generation_of((uint64_t)lock), now = *generation;
    while (!__atomic_compare_exchange_n(generation, &now, (now & ~RW_WORD_FLAGS) + RW_WORD_GENERATION, true,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
    struct rw_self *self = rw_enter_without_slot();
    if (!self)
        return;
    rw_clock_forget((uint64_t)lock);
    rw_leave(self);
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

void rw_order_creates(uint32_t slot, uint32_t generation)
{
    struct rw_self *self = rw_lock_order_on ? rw_enter() : NULL;
    if (!self)
        return;
    rw_clock_create(self, slot, generation);
    rw_leave(self);
}

void rw_order_joined(uint32_t slot, uint32_t generation)
{
    struct rw_self *self = rw_lock_order_on ? rw_enter() : NULL;
    if (!self)
        return;
    rw_clock_join(self, slot, generation);
    rw_leave(self);
}

void rw_order_ends(void)
{
    struct rw_self *self = rw_lock_order_on && rw_self.area ? rw_enter() : NULL;
    if (!self)
        return;
    rw_clock_send(self, OF_THREAD | (uint32_t)rw_self_tid(self));
    rw_leave(self);
}

/* Python tells that a thread is over some instructions before it is: it may have its slot still. */
void rw_order_joined_tid(int32_t tid)
{
    struct rw_self *self = rw_lock_order_on ? rw_enter() : NULL;
    if (!self)
        return;
    const struct rw_launch *launch = rw_slot_of_tid(tid);
    if (launch)
        rw_clock_join(self, launch->slot, launch->generation);
    rw_clock_receive(self, OF_THREAD | (uint32_t)tid);
    rw_leave(self);
}

/* Python's own conditions are the GIL's. */
static struct rw_self *enter_program(const void *return_address)
{
    return rw_python_is_caller(return_address) ? NULL : rw_enter();
}

void rw_order_hands_on_at(const volatile void *object)
{
    struct rw_self *self = rw_enter();
    if (!self)
        return;
    rw_clock_send(self, (uint64_t)object);
    rw_leave(self);
}

void rw_order_signals_at(const volatile void *condition, const void *return_address)
{
    struct rw_self *self = enter_program(return_address);
    if (!self)
        return;
    uint64_t mutex = rw_place_signals(locks_of(self), (uint64_t)condition);
    if (mutex != 0)
        rw_lock_mark(mutex, RW_WORD_MONITOR);
    rw_clock_send(self, (uint64_t)condition);
    rw_leave(self);
}

void rw_order_got_at(const volatile void *object, const void *return_address)
{
    struct rw_self *self = enter_program(return_address);
    if (!self)
        return;
    rw_clock_receive(self, (uint64_t)object);
    rw_leave(self);
}

void rw_order_waits_at(const void *condition, const void *mutex, const void *return_address)
{
    struct rw_self *self = enter_program(return_address);
    if (!self)
        return;
    const struct rw_held *held = rw_held_find(locks_of(self), (uint64_t)mutex);
    if (held) {
        rw_place_waits(held, (uint64_t)condition);
        rw_lock_mark(held->lock, RW_WORD_MONITOR);
    }
    rw_leave(self);
}
