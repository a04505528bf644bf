/* SPDX-License-Identifier: MIT */
/*
 * The table of lock orders in the recording, and what is known beside it of each entry. Internal to lock
 * order; between rw_enter() and rw_leave(); any thread. What needs rw_orders_writing says so.
 */
#ifndef RACEWATCH_SHIM_LOCK_EDGES_H
#define RACEWATCH_SHIM_LOCK_EDGES_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/lock_clock.h"
#include "shim/lock_held.h"
#include "shim/recording.h"

/* Of the entry with the same number. */
struct rw_order {
    uint32_t serial;         /* changes when the entry becomes another one's; 0: free */
    uint32_t lane;           /* plus one, of its thread; 0: that is another thread's now */
    uint32_t last;           /* how far its thread's lane was when the order came about last */
    uint32_t used_at;        /* grows with each order that comes about */
    bool is_in_ring;         /* it may be one of a ring */
    bool has_met;            /* one that may be of the same ring, and was not kept apart from it */
    uint32_t seen[RW_LANES]; /* its thread's clock when it came about first */
};

extern struct rw_order *rw_orders;

/* In the constructor. False where there is no memory. */
bool rw_lock_edges_prepare(void);

/* Writes down that `to` was taken under each lock that is held; it is not yet, but its entry follows theirs.
 */
void rw_lock_edges_write(struct rw_self *self, struct rw_locks *locks, const struct rw_held *to);

/* The same, where that has not been done. */
static inline void rw_lock_edges_note(struct rw_self *self, struct rw_locks *locks, const struct rw_held *to)
{
    const struct rw_noted *noted = rw_noted_at(locks, to->chain);
    if (__builtin_expect(noted->chain != to->chain || noted->version != locks->clock->version ||
                             locks->count > RW_HELD_MAX / 2,
                         0))
        rw_lock_edges_write(self, locks, to);
}
/* It is no lock: its orders are none. `generation` as in rw_held. */
void rw_lock_edges_signal(uint64_t lock, uint32_t generation);

/* Entries so far, free ones included. With rw_orders_writing. */
uint32_t rw_lock_edges_used(void);
/* The lane is about to be another thread's: nothing that comes can be compared with what was noted in it.
 * With rw_orders_writing. */
void rw_lock_edges_leave_lane(uint32_t lane);

/* lock_meet.c, all with rw_orders_writing. The entry is there; it is about to go; it came about once more
 * under this clock: finds out which others it can meet. */
void rw_order_comes(uint32_t number);
void rw_order_goes(uint32_t number);
void rw_order_meets(uint32_t number, const struct rw_clock *clock);
void rw_orders_begin(void);

#endif
