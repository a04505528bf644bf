/* SPDX-License-Identifier: MIT */
/*
 * What the files of lock order share: the locks that a thread holds. Internal to them. Only the thread itself
 * reads and writes its own, between rw_enter() and rw_leave().
 */
#ifndef RACEWATCH_SHIM_LOCK_HELD_H
#define RACEWATCH_SHIM_LOCK_HELD_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/self.h"

#define RW_HELD_MAX 16u   /* locks held at once; more are not known */
#define RW_KNOWN_MAX 256u /* edges that a thread has written down already */

struct rw_held {
    uint64_t lock;
    uint64_t return_address;
    uint64_t site; /* key of where it was taken; see lock_stacks.h */
    uint32_t generation;
    uint16_t how;   /* enum rw_lock_how */
    uint16_t depth; /* of a recursive one */
};

struct rw_locks {
    uint32_t slot_generation; /* whose it is */
    uint32_t epoch;
    uint32_t count;
    uint32_t step;          /* creations and joins so far */
    uint32_t taken, copied; /* locks, and stacks of them, so far */
    bool has_gil, is_taking_gil;
    uint64_t gil_mutex; /* of a GIL, while it is held; 0: none is */
    struct rw_held held[RW_HELD_MAX];
    uint64_t known[RW_KNOWN_MAX];
};

/* lock_order.c. `here`: some address in the caller's frame, as deep for each call of the same path. */
void rw_held_add(struct rw_self *self, struct rw_locks *locks, uint64_t lock, unsigned how, uint64_t call,
                 const void *return_address);
struct rw_held *rw_held_find(struct rw_locks *locks, uint64_t lock);
void rw_held_remove(struct rw_locks *locks, struct rw_held *held);

/* lock_edges.c: writes down that `to` was taken under each lock that is held. */
void rw_lock_edges_note(struct rw_self *self, struct rw_locks *locks, const struct rw_held *to);
/* It is no lock: its orders are none. `generation` as in rw_held. */
void rw_lock_edges_signal(uint64_t lock, uint32_t generation);
/* All that this thread did is before what the calling one does from now on. */
void rw_lock_edges_joined(int32_t tid, int32_t joiner_tid);

/* lock_gil.c. True: the mutex is one of a GIL's two, and no lock of its own. */
bool rw_lock_gil_taken(struct rw_self *self, struct rw_locks *locks, uint64_t mutex,
                       const void *return_address);
bool rw_lock_gil_given(struct rw_locks *locks, uint64_t mutex);

/* lock_order.c: whether the lock that is at this address now was found to be a signal. */
bool rw_lock_is_signal(const struct rw_held *held);

#endif
