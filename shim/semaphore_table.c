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

/* The semaphore's own entry (a counting semaphore: its last taker), else a free one, else NULL. */
static inline struct rw_semaphore *entry_for(struct rw_semaphore *set, uint64_t address)
{
    uint64_t seen[WAYS];
    for (uint32_t i = 0; i < WAYS; i++)
        seen[i] = __atomic_load_n(&set[i].address, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < WAYS; i++) {
        if (seen[i] == address)
            return &set[i];
    }
    for (uint32_t i = 0; i < WAYS; i++) {
        if (seen[i] == 0 && claim(&set[i]))
            return &set[i];
    }
    return NULL;
}

void rw_semaphore_taken(const void *semaphore)
{
    if (!rw_is_recording_own())
        return;
    uint64_t address = (uint64_t)semaphore;
    struct rw_semaphore *entry = entry_for(set_of(address), address);
    if (!entry)
        return;
    entry->tid = rw_self_tid(&rw_self);
    entry->since_ms = rw_recorder_since_ms();
    __atomic_store_n(&entry->address, address, __ATOMIC_RELEASE);
}

void rw_semaphore_given(const void *semaphore)
{
    if (!rw_is_recording_own())
        return;
    uint64_t address = (uint64_t)semaphore;
    struct rw_semaphore *set = set_of(address);
    for (uint32_t i = 0; i < WAYS; i++) {
        if (__atomic_load_n(&set[i].address, __ATOMIC_RELAXED) == address)
            __atomic_store_n(&set[i].address, 0, __ATOMIC_RELEASE);
    }
}
