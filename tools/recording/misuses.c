/* SPDX-License-Identifier: MIT */
/* The table of misuses, in the model's words. */
#include "tools/recording/model_internal.h"

#include <errno.h>
#include <string.h>
#include <talloc.h>

static const char *text(struct rw_fill *fill, const char *field)
{
    return field[0] != '\0' ? rw_need(talloc_strdup(fill->incident, field)) : NULL;
}

static const char *outcome_word(uint32_t outcome)
{
    return outcome == RW_OUTCOME_WELL ? "well" : outcome == RW_OUTCOME_CUT ? "cut" : "open";
}

static const char *ending_word(uint64_t ending)
{
    return ending == RW_ENDING_MAIN_RETURNED ? "main-returned"
           : ending == RW_ENDING_EXIT        ? "exit"
           : ending == RW_ENDING_FINALIZE    ? "finalize"
                                             : NULL;
}

/* A late thread is told by the slot that it got, which it may have still: its number and its name came later
 * than the entry. */
static void fill_late(struct rw_fill *fill, struct rw_misuse_info *info, const struct rw_misuse *misuse)
{
    const struct rw_slot *slot =
        rw_fill_slot_of(fill, (uint32_t)misuse->object, (uint32_t)(misuse->object >> 32));
    info->object = 0;
    info->ending = ending_word(misuse->arg);
    if (slot == NULL)
        return;
    if (info->other_tid == 0)
        info->other_tid = slot->tid;
    if (info->other_name == NULL)
        info->other_name = text(fill, slot->name);
}

void rw_fill_misuses(struct rw_fill *fill)
{
    for (unsigned i = 0; i < fill->header->misuse_count; i++) {
        struct rw_misuse misuse;
        int error = rw_reader_misuse(fill->reader, i, &misuse);
        if ((error != 0 && error != -EAGAIN) || rw_misuse_word(misuse.kind) == NULL)
            continue;
        struct rw_misuse_info *info = rw_process_add_misuse(fill->incident, fill->process);
        info->kind = rw_misuse_word(misuse.kind);
        info->outcome = outcome_word(misuse.outcome);
        info->count = misuse.count;
        info->time_ns = misuse.time_ns;
        info->tid = misuse.tid;
        info->name = text(fill, misuse.name);
        info->address = misuse.return_address;
        info->where = rw_fill_describe(fill, misuse.return_address);
        info->object = misuse.object;
        info->other_tid = misuse.other_tid;
        info->other_name = text(fill, misuse.other_name);
        info->other_address = misuse.other_return_address;
        info->other_where = rw_fill_describe(fill, misuse.other_return_address);
        info->other_ns = misuse.other_ns;
        if (misuse.kind == RW_MISUSE_INTERPRETER_AGAIN || misuse.kind == RW_MISUSE_INTERPRETER_OUTLIVED)
            info->interpreter = rw_fill_interpreter_id(fill, misuse.object, misuse.arg, misuse.time_ns);
        if (misuse.kind == RW_MISUSE_LATE_THREAD)
            fill_late(fill, info, &misuse);
    }
    if (fill->header->misuses > fill->header->misuse_count)
        rw_process_note(fill->incident, fill->process,
                        "threads did what they must not more often than the recording has room for");
}
