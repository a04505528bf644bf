/* SPDX-License-Identifier: MIT */
/*
 * What came before what, by other means than locks: by the creation and the join of threads, and by whatever
 * hands a turn on (semaphores that are signals, conditions, barriers, Python's events and queues). A mutex
 * that one thread gives back and another one takes orders nothing here: in another run they come the other
 * way round.
 *
 * Vector clocks. A thread has a lane once it took a lock under another one, and counts in it; a clock says
 * for each lane how far its thread had come. Threads without such orders only carry clocks on, and as long as
 * there is no lane nothing is done. Internal to lock order; between rw_enter() and rw_leave(); any thread.
 */
#ifndef RACEWATCH_SHIM_LOCK_CLOCK_H
#define RACEWATCH_SHIM_LOCK_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/self.h"

#define RW_LANES 128u

struct rw_clock {
    uint32_t generation, epoch; /* of the slot and the recording that it belongs to */
    uint32_t version;           /* counts its changes */
    uint32_t lane;              /* plus one; 0: none */
    bool is_noted;              /* an order was written down since the lane's count last grew */
    uint32_t seen[RW_LANES];
};

/* In the constructor. False where there is no memory. */
bool rw_clocks_prepare(void);

/* How many lanes are in use: the part of a clock that is not 0. */
uint32_t rw_lanes_in_use(void);

/* The calling thread's. */
struct rw_clock *rw_clock_of(const struct rw_self *self);

/* Gives the thread a lane, if it has none. False: all are taken. With rw_orders_writing. */
bool rw_clock_join_lanes(const struct rw_self *self, struct rw_clock *clock);
/* For each lane how far all threads that live have seen it: what is older meets nobody any more. */
void rw_clocks_least(uint32_t least[RW_LANES]);
/* Whether the thread of a lane has ended. */
bool rw_lane_is_over(uint32_t lane);

/* All that the thread did comes before what follows a receipt from that object; any number may be one. */
void rw_clock_send(const struct rw_self *self, uint64_t object);
void rw_clock_receive(const struct rw_self *self, uint64_t object);
/* Another object is there from now on. */
void rw_clock_forget(uint64_t object);

/* The same for a thread that is about to be created, and for one that is over. */
void rw_clock_create(const struct rw_self *self, uint32_t slot, uint32_t generation);
void rw_clock_join(const struct rw_self *self, uint32_t slot, uint32_t generation);

#endif
