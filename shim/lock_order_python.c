/* SPDX-License-Identifier: MIT */
/* Lock order: Python's Locks and RLocks, and what it makes of them: conditions, events, queues. */
#include "shim/lock_clock.h"
#include "shim/lock_held.h"
#include "shim/lock_order.h"
#include "shim/lock_places.h"
#include "shim/python_hooks.h"

/* A Lock that its holder takes once more was released by another thread meanwhile: a signal. */
static void take_signal(struct rw_self *self, struct rw_locks *locks, uint64_t lock, struct rw_held *again)
{
    if (again) {
        rw_held_remove(locks, again);
        rw_lock_mark(lock, RW_WORD_SIGNAL);
    }
    rw_clock_receive(self, lock);
}

/* Who takes a lock to wait for what it protects learns of it, whether or not it has to wait. It is known
 * where that is done; as long as nobody has waited with this lock, it may be anywhere. */
static bool is_told(struct rw_locks *locks, uint64_t lock, uint64_t functions)
{
    uint32_t word = rw_lock_word(lock);
    bool has_waited = locks->waits_with == lock;
    if (has_waited)
        locks->waits_with = 0;
    return word & RW_WORD_MONITOR &&
           (has_waited || !(word & RW_WORD_WAITED) || rw_place_is_waiting(functions));
}

void rw_order_python_taken(const void *object, unsigned how, uint64_t call, uint64_t functions)
{
    struct rw_locks *locks;
    struct rw_self *self = rw_locks_enter(&locks);
    if (!self)
        return;
    uint64_t lock = (uint64_t)object;
    struct rw_held *again = rw_held_find(locks, lock);
    if (again && how & RW_LOCK_RECURSIVE)
        again->depth++;
    else if (again || rw_lock_word(lock) & RW_WORD_SIGNAL)
        take_signal(self, locks, lock, again);
    else
        rw_held_add(self, locks, lock, how | RW_LOCK_PYTHON, call, (const void *)functions);
    if (is_told(locks, lock, functions))
        rw_clock_receive(self, lock);
    rw_leave(self);
}

/* Of threading.Condition, in Lib/threading.py since 2.4: a wait and a notify ask first whether the thread has
 * the lock. A wait then takes another one, of its own, which it holds when it gives this one back. */
void rw_order_python_asked(const void *lock)
{
    struct rw_locks *locks;
    struct rw_self *self = rw_locks_enter(&locks);
    if (!self)
        return;
    if (rw_held_find(locks, (uint64_t)lock))
        locks->asked_for = (uint64_t)lock;
    rw_leave(self);
}

/* Of a barrier the last one to come does not wait: that the others came before it goes on it learns as it
 * takes the lock that they gave back to wait. Names are read the first time that somebody waits there. */
static void send_if_gathering(struct rw_self *self, const struct rw_held *held)
{
    uint64_t functions = held->return_address;
    if (!rw_place_is_waiting(functions) && rw_python_waits_in_barrier())
        rw_place_python_gathers(functions);
    if (!rw_place_is_gathering(functions))
        return;
    rw_lock_mark(held->lock, RW_WORD_MONITOR);
    rw_clock_send(self, held->lock);
}

static void give_asked(struct rw_self *self, struct rw_locks *locks, const struct rw_held *held)
{
    locks->asked_for = 0;
    if (held == &locks->held[locks->count - 1]) {
        rw_lock_mark(held->lock, RW_WORD_MONITOR);
        rw_clock_send(self, held->lock);
    } else {
        rw_lock_mark(held->lock, RW_WORD_WAITED);
        send_if_gathering(self, held);
        rw_place_python_waits(held->return_address);
        locks->waits_with = held->lock;
    }
}

static void give_python(struct rw_self *self, struct rw_locks *locks, struct rw_held *held)
{
    if (locks->asked_for == held->lock)
        give_asked(self, locks, held);
    rw_held_remove(locks, held);
}

static void give_signal(struct rw_self *self, uint64_t lock)
{
    rw_lock_mark(lock, RW_WORD_SIGNAL);
    rw_clock_send(self, lock);
}

/* Nobody but its holder can release an RLock. */
void rw_order_python_given(const void *lock, unsigned how, bool is_wholly)
{
    struct rw_locks *locks;
    struct rw_self *self = rw_locks_enter(&locks);
    if (!self)
        return;
    struct rw_held *held = rw_held_find(locks, (uint64_t)lock);
    if (held && (is_wholly || --held->depth == 0))
        give_python(self, locks, held);
    else if (!held && !(how & RW_LOCK_RECURSIVE) && locks->count < RW_HELD_MAX)
        give_signal(self, (uint64_t)lock);
    rw_leave(self);
}

void rw_order_python_renewed(const void *lock)
{
    struct rw_locks *locks;
    struct rw_self *self = rw_locks_enter(&locks);
    if (!self)
        return;
    struct rw_held *held = rw_held_find(locks, (uint64_t)lock);
    if (held)
        rw_held_remove(locks, held);
    rw_leave(self);
}
