/* SPDX-License-Identifier: MIT */
#include "shim/lock_table.h"

#include "shim/recorder.h"
#include "shim/recording_file.h"
#include "shim/self.h"

#define CLAIMED UINT64_C(1) /* no object's address: its writer is about to store the right one */

bool rw_lock_table_is_on(void)
{
    return rw_locks != NULL && rw_recorder_is_on();
}

static bool claim(struct rw_lock *entry, uint64_t seen)
{
    return __atomic_compare_exchange_n(&entry->address, &seen, CLAIMED, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

/* The lock's own entry, which C code left behind when it released the lock or freed it; else a free one. */
static struct rw_lock *entry_for(uint64_t address)
{
    struct rw_lock *const set = &rw_locks[rw_lock_set(address)], *free_entry = NULL;
    for (uint32_t i = 0; i < RW_LOCK_WAYS; i++) {
        uint64_t seen = __atomic_load_n(&set[i].address, __ATOMIC_RELAXED);
        if (seen == address && claim(&set[i], address))
            return &set[i];
        if (seen == 0 && !free_entry)
            free_entry = &set[i];
    }
    for (struct rw_lock *entry = free_entry; entry && entry < set + RW_LOCK_WAYS; entry++) {
        if (claim(entry, 0))
            return entry;
    }
    return NULL;
}

void rw_lock_taken(const void *lock, uint64_t code, uint64_t instruction)
{
    if (!rw_is_recording_own())
        return;
    struct rw_lock *entry = entry_for((uint64_t)lock);
    if (!entry) {
        __atomic_fetch_add(&rw_header->locks_refused, 1, __ATOMIC_RELAXED);
        return;
    }
    entry->code = code;
    entry->instruction = instruction;
    entry->tid = rw_self_tid(&rw_self);
    entry->thread_ms = rw_self.thread_ms;
    __atomic_store_n(&entry->address, (uint64_t)lock, __ATOMIC_RELEASE);
}

void rw_lock_given(const void *lock)
{
    if (!rw_is_recording_own())
        return;
    uint64_t address = (uint64_t)lock;
    struct rw_lock *set = &rw_locks[rw_lock_set(address)];
    for (uint32_t i = 0; i < RW_LOCK_WAYS; i++) {
        if (__atomic_load_n(&set[i].address, __ATOMIC_RELAXED) == address)
            __atomic_store_n(&set[i].address, 0, __ATOMIC_RELEASE);
    }
}

const void *rw_lock_acquire_begins(const void *lock)
{
    const void *outer = rw_self.acquiring;
    rw_self.acquiring = lock;
    return outer;
}

void rw_lock_acquire_ends(const void *outer)
{
    rw_self.acquiring = outer;
}
