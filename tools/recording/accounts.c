/* SPDX-License-Identifier: MIT */
/* The accounts of tests, in the model's words. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <talloc.h>

#include "tools/incident/accounts.h"
#include "tools/recording/model_internal.h"
#include "tools/recording/reader.h"

/* A thread that is being waited for is let go of a little before it is gone. */
#define SETTLE_NS UINT64_C(100000000)

static bool was_left(struct rw_reader *reader, const struct rw_left_thread *left, uint64_t end_ns,
                     struct rw_slot *slot)
{
    int error = rw_reader_slot(reader, left->slot, slot);
    if ((error != 0 && error != -EAGAIN) || slot->generation != left->generation)
        return false; /* it has ended, and nobody knows when */
    if (slot->state == RW_THREAD_NEW || slot->state == RW_THREAD_RUNNING || slot->state == RW_THREAD_WAITING)
        return true;
    return slot->exited_ns > end_ns + SETTLE_NS;
}

static uint32_t beyond(uint32_t left)
{
    return left > RW_LEFT_MAX ? left - RW_LEFT_MAX : 0;
}

static uint32_t told(uint32_t left)
{
    return left > RW_LEFT_MAX ? RW_LEFT_MAX : left;
}

static const char *access_word(uint32_t access)
{
    return access == O_RDONLY ? "read" : access == O_WRONLY ? "write" : "both";
}

static void fill_left(struct rw_incident *incident, struct rw_test_account *account, struct rw_reader *reader,
                      const struct rw_account *recorded)
{
    struct rw_slot slot;
    for (uint32_t i = 0; i < told(recorded->threads_left); i++) {
        const struct rw_left_thread *left = &recorded->threads[i];
        if (was_left(reader, left, recorded->end_ns, &slot))
            rw_account_add_thread(incident, account, slot.tid,
                                  slot.name[0] != '\0' ? rw_need(talloc_strdup(incident, slot.name)) : NULL);
    }
    for (uint32_t i = 0; i < told(recorded->interpreters_left); i++) {
        uint64_t id = recorded->interpreters[i];
        rw_account_add_interpreter(incident, account, id <= INT64_MAX ? (int64_t)id : -1);
    }
    for (uint32_t i = 0; i < told(recorded->descriptors_left); i++) {
        const struct rw_left_descriptor *left = &recorded->descriptors[i];
        if (left->is_closed)
            continue;
        const char *target = left->target[0] != '\0' ? rw_need(talloc_strdup(incident, left->target)) : NULL;
        rw_account_add_descriptor(incident, account,
                                  &(struct rw_left_open){left->fd, target, access_word(left->access)});
    }
    account->not_told = beyond(recorded->threads_left) + beyond(recorded->interpreters_left) +
                        beyond(recorded->descriptors_left);
}

void rw_recording_fill_account(struct rw_incident *incident, struct rw_process_info *process,
                               struct rw_reader *reader, const struct rw_account *recorded)
{
    struct rw_test_account *account =
        rw_process_add_account(incident, process, rw_need(talloc_strdup(incident, recorded->test)));
    bool knows_descriptors = (recorded->flags & RW_ACCOUNT_NO_DESCRIPTORS) == 0;
    account->number = recorded->number;
    account->begin_ns = recorded->begin_ns;
    account->end_ns = recorded->end_ns;
    account->threads_begin = (int)recorded->threads_begin;
    account->threads_end = (int)recorded->threads_end;
    account->interpreters_begin = (int)recorded->interpreters_begin;
    account->interpreters_end = (int)recorded->interpreters_end;
    account->descriptors_begin = knows_descriptors ? (int)recorded->descriptors_begin : -1;
    account->descriptors_end = knows_descriptors ? (int)recorded->descriptors_end : -1;
    fill_left(incident, account, reader, recorded);
    rw_process_drop_empty_accounts(process);
}
