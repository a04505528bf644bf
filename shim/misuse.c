/* SPDX-License-Identifier: MIT */
#include "shim/misuse.h"

#include "shim/maps_file.h"
#include "shim/recorder.h"
#include "shim/recording_file.h"
#include "shim/text.h"

static uint32_t used;       /* entries taken; under rw_misuses_writing */
static bool has_saved_maps; /* of this recording; atomic */

static bool waits_for_outcome(uint32_t kind)
{
    return kind == RW_MISUSE_LATE_THREAD || kind == RW_MISUSE_CONDITION_DESTROYED ||
           kind == RW_MISUSE_INTERPRETER_OUTLIVED;
}

static struct rw_misuse *equal_one(const struct rw_misuse *misuse)
{
    for (uint32_t i = 0; i < used && !waits_for_outcome(misuse->kind); i++) {
        struct rw_misuse *entry = &rw_misuses[i];
        if (entry->kind == misuse->kind && entry->return_address == misuse->return_address &&
            entry->other_return_address == misuse->other_return_address)
            return entry;
    }
    return NULL;
}

/* What came to nothing is told to nobody: its place is free where there is no other. */
static struct rw_misuse *room(void)
{
    if (used < RW_MISUSE_MAX)
        return &rw_misuses[used++];
    for (uint32_t i = 0; i < RW_MISUSE_MAX; i++) {
        if (rw_misuses[i].outcome == RW_OUTCOME_WELL)
            return &rw_misuses[i];
    }
    return NULL;
}

static uint32_t append(const struct rw_misuse *misuse, struct rw_self *self)
{
    struct rw_misuse *entry = room();
    if (!entry)
        return 0;
    struct rw_launch *other = rw_slot_of_tid(misuse->other_tid);
    rw_write_begin(&entry->sequence);
    uint32_t sequence = entry->sequence;
    rw_copy(entry, misuse, sizeof *entry);
    entry->sequence = sequence;
    entry->count = 1;
    entry->outcome = RW_OUTCOME_OPEN;
    entry->time_ns = rw_recorder_now();
    entry->tid = rw_self_tid(self);
    rw_copy(entry->name, self->area->slot.name, sizeof entry->name);
    if (other && misuse->other_name[0] == '\0')
        rw_copy(entry->other_name, other->area->slot.name, sizeof entry->other_name);
    rw_write_end(&entry->sequence);
    return (uint32_t)(entry - rw_misuses) + 1;
}

/* The addresses must have names when the process is gone, which it may be sooner than the monitor looks. */
static void save_maps(void)
{
    if (!rw_is_confined && !__atomic_exchange_n(&has_saved_maps, true, __ATOMIC_RELAXED))
        rw_maps_save();
}

uint32_t rw_misuse_record(const struct rw_misuse *misuse)
{
    struct rw_self *self = rw_enter();
    uint32_t number = 0;
    if (!self)
        return 0;
    if (rw_table_begin(&rw_misuses_writing)) {
        struct rw_misuse *equal = equal_one(misuse);
        if (equal) {
            __atomic_store_n(&equal->count, equal->count + 1, __ATOMIC_RELAXED);
            number = (uint32_t)(equal - rw_misuses) + 1;
        } else {
            number = append(misuse, self);
        }
        rw_table_end(&rw_misuses_writing);
    }
    if (misuse->kind !=
        RW_MISUSE_CONDITION_DESTROYED) /* mostly nothing, and if not, the process stands still */
        save_maps();
    __atomic_fetch_add(&rw_header->misuses, 1, __ATOMIC_RELEASE);
    rw_leave(self);
    return number;
}

void rw_misuse_settle(uint32_t number, enum rw_misuse_outcome outcome, const struct rw_slot *other)
{
    struct rw_self *self = number != 0 ? rw_enter_without_slot() : NULL;
    if (!self)
        return;
    if (rw_table_begin(&rw_misuses_writing)) {
        struct rw_misuse *entry = &rw_misuses[number - 1];
        rw_write_begin(&entry->sequence);
        entry->outcome = outcome;
        if (other) {
            entry->other_tid = other->tid;
            rw_copy(entry->other_name, other->name, sizeof entry->other_name);
        }
        rw_write_end(&entry->sequence);
        rw_table_end(&rw_misuses_writing);
    }
    rw_leave(self);
}

void rw_misuse_begin(void)
{
    used = 0;
    has_saved_maps = false;
}
