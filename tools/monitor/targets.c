/* SPDX-License-Identifier: MIT */
#include "tools/monitor/targets.h"

#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "tools/monitor/progress.h"

struct candidate {
    const struct rw_watched *watched;
    int rank;
    bool is_gone;
};

static bool somebody_waits(const struct rw_watched *watched)
{
    for (size_t i = 0; i < watched->slot_count; i++)
        if (rw_is_blocked(&watched->slots[i]))
            return true;
    return false;
}

static bool is_on_circle(const struct rw_watched *watched)
{
    for (size_t i = 0; i < watched->slot_count; i++)
        if (rw_is_blocked(&watched->slots[i]) &&
            watched->slots[i].cycle_since_ns == watched->slots[i].since_ns)
            return true;
    return false;
}

static int rank_of(const struct rw_watched *watched, const struct rw_want *want)
{
    if (watched->pid == want->pid)
        return 0;
    bool waits = somebody_waits(watched);
    if (want->trigger == RW_TRIGGER_CYCLE && is_on_circle(watched))
        return 1;
    return waits && watched->test.number != 0 ? 2 : waits ? 3 : watched->test.number != 0 ? 4 : 5;
}

static int by_rank(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;
    if (left->rank != right->rank)
        return left->rank - right->rank;
    uint64_t one = left->watched->moved_ns, other = right->watched->moved_ns;
    return (one > other) - (one < other);
}

void rw_targets_choose(struct rw_targets *targets, const struct rw_watch *watch, const struct rw_want *want)
{
    size_t count = 0;
    struct candidate *candidates = talloc_array(NULL, struct candidate, rw_watch_count(watch));
    for (size_t i = 0; i < rw_watch_count(watch); i++) {
        const struct rw_watched *watched = rw_watch_at(watch, i);
        bool is_first = watched->pid == want->pid;
        bool is_gone = is_first && !watched->was_replaced &&
                       (want->trigger == RW_TRIGGER_GONE ||
                        ((want->trigger == RW_TRIGGER_ORDER || want->trigger == RW_TRIGGER_MISUSE ||
                          want->trigger == RW_TRIGGER_CRASH) &&
                         watched->is_over));
        if (watched->reader == NULL || (watched->is_over && !is_gone) ||
            (!is_first && (want->trigger == RW_TRIGGER_EARLY || want->trigger == RW_TRIGGER_ORDER ||
                           want->trigger == RW_TRIGGER_MISUSE || want->trigger == RW_TRIGGER_CRASH)))
            continue;
        candidates[count++] = (struct candidate){watched, rank_of(watched, want), is_gone};
    }
    if (count > 0)
        qsort(candidates, count, sizeof(*candidates), by_rank);
    memset(targets, 0, sizeof(*targets));
    for (size_t i = 0; i < count && i < RW_TARGETS_MAX; i++) {
        const struct rw_watched *watched = candidates[i].watched;
        targets->threads += watched->slot_count;
        targets->items[targets->count++] = (struct rw_capture_target){
            .pid = watched->pid,
            .reader = !watched->is_elsewhere ? watched->reader : NULL,
            .saved_maps = watched->maps,
            .is_gone = candidates[i].is_gone,
            .is_elsewhere = watched->is_elsewhere,
        };
    }
    targets->left_out = count - targets->count;
    talloc_free(candidates);
}
