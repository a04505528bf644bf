/* SPDX-License-Identifier: MIT */
#include "tools/incident/other_ends.h"

#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "tools/incident/words.h"

bool rw_is_not_accepted(const struct rw_channel *channel)
{
    return channel->state && strcmp(channel->state, "NOT_ACCEPTED") == 0;
}

static bool is_among(const struct rw_holder *const *holders, size_t count, int pid)
{
    for (size_t i = 0; i < count; i++)
        if (holders[i]->pid == pid)
            return true;
    return false;
}

size_t rw_other_ends(void *ctx, const struct rw_process_info *process, const struct rw_wait_on *wait,
                     const struct rw_holder ***holders)
{
    size_t count = 0;

    *holders = NULL;
    for (size_t i = 0; i < wait->channel_count; i++)
        for (size_t j = 0; j < wait->channels[i].holder_count; j++) {
            const struct rw_holder *holder = &wait->channels[i].holders[j];

            if (holder->pid == process->pid || is_among(*holders, count, holder->pid))
                continue;
            *holders = talloc_realloc(ctx, *holders, const struct rw_holder *, count + 1);
            if (!*holders)
                abort();
            (*holders)[count++] = holder;
        }
    return count;
}

char *rw_other_ends_words(void *ctx, const struct rw_process_info *process, const struct rw_wait_on *wait)
{
    const struct rw_holder **holders;
    size_t count = rw_other_ends(ctx, process, wait, &holders);
    const char *kind = count ? wait->channels[0].kind : "";
    char *text;

    if (count == 0 || strcmp(kind, "process") == 0)
        return NULL;
    text = rw_words(ctx, "%s process %d (%s)",
                    strcmp(kind, "file-lock") == 0           ? "the lock is held by"
                    : strcmp(kind, "memory") == 0            ? "the memory is shared with"
                    : rw_is_not_accepted(&wait->channels[0]) ? "the connection has not been accepted yet, by"
                                                             : "the other end is open in",
                    holders[0]->pid, holders[0]->name ? holders[0]->name : "?");
    if (count > 1)
        rw_append(ctx, &text, " and %zu more", count - 1);
    return text;
}
