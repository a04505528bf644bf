/* SPDX-License-Identifier: MIT */
#include "shim/semaphore_table.h"

#include "shim/real.h"
#include "shim/recorder.h"
#include "shim/recording_file.h"
#include "shim/self.h"

#define WAYS 4u
#define CLAIMED UINT64_C(1) /* no semaphore's address: its writer is about to store the right one */

static struct rw_semaphore *set_of(uint64_t address)
{
    uint64_t hash = (address >> 3) * UINT64_C(0x9e3779b97f4a7c15);
    return &rw_semaphores[(hash >> 32) % (RW_SEMAPHORE_MAX / WAYS) * WAYS];
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

/* The semaphore's own entry (a counting semaphore: its last taker), else a free one, else NULL. A line of the
 * cache holds the set. */
static inline struct rw_semaphore *entry_for(struct rw_semaphore *set, uint64_t address)
{
#pragma GCC unroll 4
    for (uint32_t i = 0; i < WAYS; i++) {
        if (is_at(&set[i], address))
            return &set[i];
    }
#pragma GCC unroll 4
    for (uint32_t i = 0; i < WAYS; i++) {
        if (is_at(&set[i], 0) && claim(&set[i]))
            return &set[i];
    }
    return NULL;
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
    uint64_t address = (uint64_t)semaphore;
    struct rw_semaphore *entry = entry_for(set_of(address), address);
    if (!entry)
        return;
    entry->tid = rw_self.tid;
    entry->thread_ms = rw_self.thread_ms;
    __atomic_store_n(&entry->address, address, __ATOMIC_RELEASE);
}

void rw_semaphore_given(const void *semaphore)
{
    if (!rw_is_recording_own())
        return;
    uint64_t address = (uint64_t)semaphore;
    struct rw_semaphore *set = set_of(address);
#pragma GCC unroll 4
    for (uint32_t i = 0; i < WAYS; i++) {
        if (is_at(&set[i], address))
            __atomic_store_n(&set[i].address, 0, __ATOMIC_RELEASE);
    }
}
