/* SPDX-License-Identifier: MIT */
/* The table of interpreters. Entries are few and change rarely; with a GIL for each, several threads may come
 * at once. */
#include <errno.h>
#include <stddef.h>

#include "shim/misuse.h"
#include "shim/python_hooks.h"
#include "shim/recorder.h"
#include "shim/recording_file.h"
#include "shim/self.h"

/* Under rw_interpreters_writing. A page of the table that was never touched is a page fault for who looks at
 * it. */
static uint32_t used;

uint32_t rw_interpreter_count(void)
{
    return __atomic_load_n(&used, __ATOMIC_RELAXED);
}

/* One that was destroyed is another interpreter, though it may have been at the same address. */
static struct rw_interpreter *find(uint64_t address)
{
    struct rw_interpreter *free_one = NULL, *oldest = NULL;
    for (uint32_t i = 0; i < used; i++) {
        struct rw_interpreter *entry = &rw_interpreters[i];
        if (entry->state == RW_INTERPRETER_FREE) {
            if (!free_one)
                free_one = entry;
        } else if (entry->state == RW_INTERPRETER_DESTROYED) {
            if (!oldest || entry->destroy_end_ns < oldest->destroy_end_ns)
                oldest = entry;
        } else if (entry->address == address) {
            return entry;
        }
    }
    if (!free_one && used < RW_INTERPRETER_MAX)
        free_one = &rw_interpreters[used++];
    return free_one ? free_one : oldest;
}

static void update(struct rw_interpreter *entry, enum rw_interpreter_state state, uint64_t address,
                   uint64_t id, int32_t tid)
{
    uint64_t now = rw_recorder_now();
    bool is_new = entry->state == RW_INTERPRETER_FREE || entry->state == RW_INTERPRETER_DESTROYED;
    rw_write_begin(&entry->sequence);
    if (is_new) {
        entry->address = address;
        entry->id = UINT64_MAX;
        entry->created_ns = entry->destroy_begin_ns = entry->destroy_end_ns = 0;
        entry->creator_tid = entry->destroyer_tid = 0;
        entry->test[0] = '\0';
        /* The main interpreter (id 0) is noticed long after it was made: by whom and when is not known. */
        if ((state == RW_INTERPRETER_CREATING || state == RW_INTERPRETER_ALIVE) && id != 0) {
            entry->created_ns = now;
            entry->creator_tid = tid;
            rw_current_test(entry->test);
        }
    }
    if (id != UINT64_MAX)
        entry->id = id;
    if (state == RW_INTERPRETER_DESTROYING)
        entry->destroy_begin_ns = now;
    if (state == RW_INTERPRETER_DESTROYED)
        entry->destroy_end_ns = now;
    if (state == RW_INTERPRETER_DESTROYING || state == RW_INTERPRETER_DESTROYED)
        entry->destroyer_tid = tid;
    entry->state = state;
    rw_write_end(&entry->sequence);
}

void rw_record_interpreter(enum rw_interpreter_state state, uint64_t address, uint64_t id)
{
    struct rw_self *self = address == 0 ? NULL : rw_enter_without_slot();
    if (!self)
        return;
    int error = EBUSY;
    if (rw_table_begin(&rw_interpreters_writing)) {
        struct rw_interpreter *entry = find(address);
        if (entry)
            update(entry, state, address, id, rw_self_tid(self));
        error = entry ? 0 : ENOSPC;
        rw_table_end(&rw_interpreters_writing);
    }
    rw_leave(self);
    static bool is_told;
    if (error != 0 && !__atomic_exchange_n(&is_told, true, __ATOMIC_RELAXED))
        rw_record_problem(error, "what interpreters there are is not all recorded",
                          error == ENOSPC ? "more are alive than the table holds"
                                          : "another thread kept the table");
}

void rw_check_interpreter_destroyed(uint64_t address, uint64_t id, const void *return_address)
{
    if (!rw_is_recording_own())
        return;
    for (uint32_t i = 0; i < __atomic_load_n(&used, __ATOMIC_RELAXED); i++) {
        const struct rw_interpreter *entry = &rw_interpreters[i];
        int32_t destroyer = __atomic_load_n(&entry->destroyer_tid, __ATOMIC_RELAXED);
        if (entry->state != RW_INTERPRETER_DESTROYING || entry->address != address ||
            !rw_slot_of_tid(destroyer) || destroyer == rw_self_tid(&rw_self))
            continue;
        rw_misuse_record(&(struct rw_misuse){
            .kind = RW_MISUSE_INTERPRETER_AGAIN,
            .object = address,
            .arg = id,
            .return_address = (uint64_t)return_address,
            .other_tid = destroyer,
            .other_ns = entry->destroy_begin_ns,
        });
    }
}

/* Threads that something else than Python made, an extension for instance, are not the interpreter's. */
static bool is_left_in(const struct rw_slot *slot, uint64_t address, uint64_t id)
{
    bool is_there =
        slot->state == RW_THREAD_NEW || slot->state == RW_THREAD_RUNNING || slot->state == RW_THREAD_WAITING;
    return is_there && slot->creator_interpreter == address && slot->creator_interpreter_id == id &&
           id != UINT64_MAX && slot->tid != rw_self.tid &&
           rw_python_is_caller((const void *)slot->create_return_address);
}

void rw_check_interpreter_outlived(uint64_t address, uint64_t id, const void *return_address)
{
    if (address == 0 || !rw_is_recording_own() || rw_header->finalize_begin_ns != 0 ||
        rw_header->exit_begin_ns != 0)
        return;
    for (uint32_t i = 0; i < rw_header->slot_used; i++) {
        struct rw_launch *launch = rw_slot_launch(i);
        if (launch->area == NULL || launch->misuse != 0 || !is_left_in(&launch->area->slot, address, id))
            continue;
        launch->misuse = rw_misuse_record(&(struct rw_misuse){
            .kind = RW_MISUSE_INTERPRETER_OUTLIVED,
            .object = address,
            .arg = id,
            .return_address = (uint64_t)return_address,
            .other_tid = launch->area->slot.tid,
            .other_ns = launch->area->slot.created_ns,
        });
    }
}
