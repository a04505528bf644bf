/* SPDX-License-Identifier: MIT */
#include "shim/reaped.h"

#include "shim/recorder.h"
#include "shim/text.h"

#define ENTRIES 1024u /* more of them would be remembered longer than anybody keeps a handle by mistake */

#define WRITING UINT64_C(1) /* in place of a handle, which is an address */

static struct rw_reaped table[ENTRIES];

static struct rw_reaped *entry_of(uint64_t pthread)
{
    /* As in slot.c: a handle is the address of a control block. */
    return &table[(pthread >> 12 ^ pthread >> 22) % ENTRIES];
}

/* The handle is stored last and cleared first. Of two writers of one entry the second is forgotten: a mixture
 * would name the wrong thread. One that a fork found half written stays so in the child. */
void rw_reaped_note(struct rw_self *self, uint64_t pthread, enum rw_reaped_how how,
                    const void *return_address)
{
    struct rw_reaped *entry = entry_of(pthread);
    if (__atomic_exchange_n(&entry->pthread, WRITING, __ATOMIC_ACQUIRE) == WRITING)
        return;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    entry->time_ns = rw_recorder_now();
    entry->return_address = (uint64_t)return_address;
    entry->tid = rw_self_tid(self);
    if (self->area)
        rw_copy(entry->name, self->area->slot.name, sizeof entry->name);
    else
        entry->name[0] = '\0';
    entry->how = how;
    entry->epoch = rw_live->epoch;
    __atomic_store_n(&entry->pthread, pthread, __ATOMIC_RELEASE);
}

void rw_reaped_forget(uint64_t pthread)
{
    struct rw_reaped *entry = entry_of(pthread);
    __atomic_compare_exchange_n(&entry->pthread, &pthread, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

bool rw_reaped_find(uint64_t pthread, struct rw_reaped *found)
{
    const struct rw_reaped *entry = entry_of(pthread);
    if (pthread <= WRITING || __atomic_load_n(&entry->pthread, __ATOMIC_ACQUIRE) != pthread)
        return false;
    *found = *entry;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return found->pthread == pthread && found->epoch == rw_live->epoch &&
           __atomic_load_n(&entry->pthread, __ATOMIC_RELAXED) == pthread;
}
