/* SPDX-License-Identifier: MIT */
/*
 * What the files of lock order share: the locks that a thread holds. Internal to them. Only the thread itself
 * reads and writes its own, between rw_enter() and rw_leave().
 */
#ifndef RACEWATCH_SHIM_LOCK_HELD_H
#define RACEWATCH_SHIM_LOCK_HELD_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/lock_clock.h"
#include "shim/self.h"

#define RW_HELD_MAX 16u /* locks held at once; more are not known */
#define RW_NOTED_MAX 128u
#define RW_KNOWN_MAX 256u /* edges that a thread has written down already */

struct rw_held {
    uint64_t lock;
    uint64_t return_address; /* of one of Python's: the place in its code; see python_place.h */
    uint64_t site;           /* key of where it was taken; see lock_stacks.h */
    uint64_t chain;          /* of this lock and those below it: what it was taken under */
    uint32_t generation;
    uint16_t how;   /* enum rw_lock_how */
    uint16_t depth; /* of a recursive one */
};

/* A lock under others, all of whose edges the thread has written down, and how its clock was then. */
struct rw_noted {
    uint64_t chain;
    uint32_t version;
};

/* An edge that the thread has written down, and how its clock was then. */
struct rw_known {
    uint64_t key;
    uint32_t version;
    uint32_t entry, serial; /* see lock_edges.h */
};

struct rw_locks {
    uint32_t slot_generation; /* whose it is */
    uint32_t epoch;
    uint32_t count;
    uint32_t taken, copied; /* locks, and stacks of them, so far */
    bool has_gil, is_taking_gil;
    struct rw_clock *clock;
    uint64_t gil_mutex;  /* of a GIL, while it is held; 0: none is */
    uint64_t asked_for;  /* one of Python's that it asked whether it holds it, as who tells or waits does */
    uint64_t waits_with; /* one of Python's that it gave back to wait for what it protects */
    struct rw_held held[RW_HELD_MAX];
    struct rw_noted noted[RW_NOTED_MAX];
    struct rw_known known[RW_KNOWN_MAX];
};

/* Those at different depths are not in each other's way. */
static inline struct rw_noted *rw_noted_at(struct rw_locks *locks, uint64_t chain)
{
    return &locks->noted[(chain >> 32 & (RW_NOTED_MAX / 8 - 1)) * 8 + (locks->count & 7)];
}

static inline uint64_t rw_chain_of(const struct rw_locks *locks, const struct rw_held *held)
{
    uint64_t below = held > locks->held ? held[-1].chain : 0;
    uint64_t chain = (below ^ held->lock) * UINT64_C(0x9e3779b97f4a7c15);
    chain ^= chain >> 29;
    return (chain + ((uint64_t)held->generation << 16 | held->how)) * UINT64_C(0xff51afd7ed558ccd);
}

/* What is known of the lock at an address, beside its generation: how many were destroyed there. Shared with
 * others by hash. */
#define RW_WORD_SIGNAL 1u  /* given back by who did not take it */
#define RW_WORD_COUNTER 2u /* taken more than once at a time */
#define RW_WORD_MONITOR 4u /* somebody waits for a condition with it, or tells of one while holding it */
#define RW_WORD_WAITED 8u  /* of Python's: somebody has waited with it */
#define RW_WORD_FLAGS (RW_WORD_SIGNAL | RW_WORD_COUNTER | RW_WORD_MONITOR | RW_WORD_WAITED)
#define RW_WORD_GENERATION 16u

/* lock_order.c. rw_enter(), and the calling thread's locks. */
struct rw_self *rw_locks_enter(struct rw_locks **locks);
uint32_t rw_lock_word(uint64_t lock);
/* As a signal or as a counter: then its orders are none. */
void rw_lock_mark(uint64_t lock, uint32_t flag);
/* `here`: some address in the caller's frame, as deep for each call of the same path. */
void rw_held_add(struct rw_self *self, struct rw_locks *locks, uint64_t lock, unsigned how, uint64_t call,
                 const void *return_address);
struct rw_held *rw_held_find(struct rw_locks *locks, uint64_t lock);
void rw_held_remove(struct rw_locks *locks, struct rw_held *held);

/* lock_gil.c. True: the mutex is one of a GIL's two, and no lock of its own. */
bool rw_lock_gil_taken(struct rw_self *self, struct rw_locks *locks, uint64_t mutex,
                       const void *return_address);
bool rw_lock_gil_given(struct rw_locks *locks, uint64_t mutex);

/* lock_order.c: whether the lock that is at this address now was found to be a signal or a counter; and
 * whether it is that lock still. */
bool rw_lock_is_signal(const struct rw_held *held);
bool rw_lock_is_still(uint64_t lock, uint32_t generation);

#endif
