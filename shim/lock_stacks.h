/* SPDX-License-Identifier: MIT */
/*
 * Where locks were taken. A stack is copied when a thread takes a lock by a call, at a depth of the stack,
 * that it has not taken it by before; so the stack of an edge's first lock is there when the second one is
 * taken, and most locks cost a look into a table. Internal to lock order; between rw_enter() and rw_leave().
 */
#ifndef RACEWATCH_SHIM_LOCK_STACKS_H
#define RACEWATCH_SHIM_LOCK_STACKS_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/lock_held.h"
#include "shim/recording.h"

/* Where stacks are kept until an edge needs them: in one of two places by hash of the key, so that a stack is
 * still there when the second lock is taken, whatever other threads copied meanwhile. */
#define RW_SITE_MAX 4096u

extern struct rw_lock_stack *rw_lock_sites;

/* In the constructor. False where there is no memory. */
bool rw_lock_stacks_prepare(void);
/* In a fresh recording. */
void rw_lock_stacks_begin(void);

/* Copies the calling thread's stack under this key, if it has not copied too many; `is_gil`: only if it has
 * copied few, for the interpreter takes that one everywhere. */
void rw_lock_site_copy(struct rw_self *self, struct rw_locks *locks, uint64_t key, bool is_gil);

/* The same in any case, of the lock that the thread has just taken. */
void rw_lock_site_need(struct rw_self *self, const struct rw_locks *locks, uint64_t key);

/* The entry of the recording that holds the stack, plus one; 0 if there is none. It is the caller's until it
 * is released. With rw_orders_writing, all three. */
uint32_t rw_lock_stack_record(uint64_t key);
void rw_lock_stack_release(uint32_t number);
bool rw_lock_stacks_are_full(void);

/* The first of its two places; the other one is beside it. */
static inline struct rw_lock_stack *rw_lock_site_at(uint64_t key)
{
    return &rw_lock_sites[key >> 32 & (RW_SITE_MAX - 1)];
}

/* The key for a lock that the thread has just taken; `here`: an address in a frame of the shim's. */
static inline uint64_t rw_lock_site(struct rw_self *self, struct rw_locks *locks, bool is_gil, uint64_t lock,
                                    uint64_t call, uintptr_t here)
{
    uint64_t key = (lock + call * UINT64_C(0xff51afd7ed558ccd)) * UINT64_C(0x9e3779b97f4a7c15) +
                   (here + locks->slot_generation) * UINT64_C(0xc4ceb9fe1a85ec53);
    key |= 1;
    locks->taken++;
    if (__builtin_expect(__atomic_load_n(&rw_lock_site_at(key)->key, __ATOMIC_RELAXED) != key, 0))
        rw_lock_site_copy(self, locks, key, is_gil);
    return key;
}

#endif
