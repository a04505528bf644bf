/* SPDX-License-Identifier: MIT */
#include "shim/semaphore_table.h"

#include <stdbool.h>
#include <stddef.h>

#include "shim/real.h"
#include "shim/recorder.h"
#include "shim/recording_file.h"
#include "shim/self.h"

#define WAYS 4u
#define SETS (RW_SEMAPHORE_MAX / WAYS)
#define NEAR (RW_SEMAPHORE_NEAR / WAYS)
#define CLAIMED UINT64_C(1) /* no semaphore's address: its writer is about to store the right one */

_Static_assert(RW_SEMAPHORE_NEAR % WAYS == 0 && RW_SEMAPHORE_NEAR < RW_SEMAPHORE_MAX, "two parts, of sets");

/* Each page of the table that is written for the first time is a page fault, and each that a fork child
 * reads: all go into the first one, and into the others only where there are too many. */
static bool is_far_used;

static inline uint32_t hash_of(uint64_t address)
{
    return (uint32_t)((address >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

static inline struct rw_semaphore *near_set(uint64_t address)
{
    return &rw_semaphores[hash_of(address) % NEAR * WAYS];
}

static inline struct rw_semaphore *far_set(uint64_t address)
{
    return &rw_semaphores[(NEAR + hash_of(address) % (SETS - NEAR)) * WAYS];
}

uint32_t rw_semaphore_count(void)
{
    return __atomic_load_n(&is_far_used, __ATOMIC_ACQUIRE) ? RW_SEMAPHORE_MAX : RW_SEMAPHORE_NEAR;
}

/* With one thread only a handler of its own can come between, and all that can be lost is one of its entries.
 */
static inline bool claim(struct rw_semaphore *entry)
{
    uint64_t nobody = 0;
    if (!*rw_is_single_threaded)
        return __atomic_compare_exchange_n(&entry->address, &nobody, CLAIMED, false, __ATOMIC_ACQUIRE,
                                           __ATOMIC_RELAXED);
    __atomic_store_n(&entry->address, CLAIMED, __ATOMIC_RELAXED);
    return true;
}

static inline bool is_at(const struct rw_semaphore *entry, uint64_t address)
{
    return __atomic_load_n(&entry->address, __ATOMIC_RELAXED) == address;
}

static inline struct rw_semaphore *own_of(struct rw_semaphore *set, uint64_t address)
{
#pragma GCC unroll 4
    for (uint32_t i = 0; i < WAYS; i++) {
        if (is_at(&set[i], address))
            return &set[i];
    }
    return NULL;
}

static inline struct rw_semaphore *free_of(struct rw_semaphore *set)
{
#pragma GCC unroll 4
    for (uint32_t i = 0; i < WAYS; i++) {
        if (is_at(&set[i], 0) && claim(&set[i]))
            return &set[i];
    }
    return NULL;
}

static inline void write_down(struct rw_semaphore *entry, uint64_t address)
{
    /* One of more than 1 two threads may take at once: either of them will do. */
    __atomic_store_n(&entry->tid, rw_self.tid, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->thread_ms, rw_self.thread_ms, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->address, address, __ATOMIC_RELEASE);
}

/* The near set is full, or once some set was. */
static __attribute__((noinline, cold)) void taken_far(uint64_t address)
{
    struct rw_semaphore *entry = own_of(far_set(address), address);
    if (!entry)
        entry = free_of(near_set(address));
    if (!entry) {
        __atomic_store_n(&is_far_used, true, __ATOMIC_RELEASE);
        entry = free_of(far_set(address));
    }
    if (entry)
        write_down(entry, address);
}

/* Once in a thread's life. A call in the function itself would have it save registers each time. */
static __attribute__((noinline, cold)) void ask_first(const void *semaphore)
{
    rw_self_ask_tid(&rw_self);
    rw_semaphore_taken(semaphore);
}

void rw_semaphore_taken(const void *semaphore)
{
    if (!rw_is_recording_own())
        return;
    if (__builtin_expect(rw_self.tid == 0, 0)) {
        ask_first(semaphore);
        return;
    }
    /* Its own entry (a counting semaphore: its last taker), else a free one. A line of the cache holds the
     * set. */
    uint64_t address = (uint64_t)semaphore;
    struct rw_semaphore *set = near_set(address), *entry = own_of(set, address);
    if (!entry && __builtin_expect(!__atomic_load_n(&is_far_used, __ATOMIC_RELAXED), 1))
        entry = free_of(set);
    if (__builtin_expect(entry != NULL, 1))
        write_down(entry, address);
    else
        taken_far(address);
}

static inline void clear(struct rw_semaphore *set, uint64_t address)
{
#pragma GCC unroll 4
    for (uint32_t i = 0; i < WAYS; i++) {
        if (is_at(&set[i], address))
            __atomic_store_n(&set[i].address, 0, __ATOMIC_RELEASE);
    }
}

void rw_semaphore_given(const void *semaphore)
{
    if (!rw_is_recording_own())
        return;
    uint64_t address = (uint64_t)semaphore;
    clear(near_set(address), address);
    if (__builtin_expect(__atomic_load_n(&is_far_used, __ATOMIC_RELAXED), 0))
        clear(far_set(address), address);
}
