/* SPDX-License-Identifier: MIT */
/* Orders of locks are looked at when all of them are known: at the end of the process. */
#include <stdio.h>
#include <string.h>

#include "tools/monitor/triggers.h"
#include "tools/recording/reader.h"

/* Two orders that may meet: less contradicts nothing. */
bool rw_triggers_ordered(struct rw_watched *watched, struct rw_want *want)
{
    const struct rw_header *header = rw_reader_header(watched->reader);
    struct rw_lock_edge edge;
    bool is_due = false;
    for (unsigned i = 0; i < header->lock_edge_count && !is_due; i++) {
        if (rw_reader_lock_edge(watched->reader, i, &edge) != 0)
            continue;
        is_due = edge.meet_count != 0;
    }
    if (!is_due)
        return false;
    memset(want, 0, sizeof(*want));
    want->trigger = RW_TRIGGER_ORDER;
    want->pid = watched->pid;
    snprintf(want->detail, sizeof(want->detail), "the orders in which its threads took locks, %llu of them",
             (unsigned long long)header->lock_edges_written);
    return true;
}
