/* SPDX-License-Identifier: MIT */
/* Which misuses in a recording are to be told, and when. */
#include <stdio.h>
#include <string.h>

#include "tools/monitor/triggers.h"
#include "tools/recording/model.h"
#include "tools/recording/reader.h"

/* Longer than the shim lets a condition's destruction last before it calls it one: shim/wrap_destroy.c. */
#define CONDITION_AGE_NS UINT64_C(1500000000)
/* What a thread takes to end, once Python is done with it. */
#define OUTLIVED_AGE_NS UINT64_C(1500000000)

_Static_assert(RW_MISUSE_MAX <= 64, "a bit for each");

/* A late thread may still end as it should while the process lives; and who is killed ends no thread. */
static bool is_ripe(const struct rw_misuse *misuse, const struct rw_watched *watched, uint64_t now_ns)
{
    const struct rw_header *header = rw_reader_header(watched->reader);
    if (misuse->outcome == RW_OUTCOME_WELL)
        return false;
    if (misuse->kind == RW_MISUSE_LATE_THREAD)
        return watched->is_over && header->exit_begin_ns != 0;
    if (misuse->kind == RW_MISUSE_CONDITION_DESTROYED)
        return watched->is_over || now_ns > misuse->time_ns + CONDITION_AGE_NS;
    if (misuse->kind == RW_MISUSE_INTERPRETER_OUTLIVED)
        return watched->is_over || now_ns > misuse->time_ns + OUTLIVED_AGE_NS;
    return rw_misuse_word(misuse->kind) != NULL;
}

static bool ripens_with_time(const struct rw_misuse *misuse)
{
    return misuse->outcome == RW_OUTCOME_OPEN &&
           (misuse->kind == RW_MISUSE_CONDITION_DESTROYED || misuse->kind == RW_MISUSE_INTERPRETER_OUTLIVED);
}

static void describe(struct rw_want *want, const struct rw_watched *watched, const struct rw_misuse *misuse)
{
    memset(want, 0, sizeof(*want));
    want->trigger = RW_TRIGGER_MISUSE;
    want->pid = watched->pid;
    snprintf(want->detail, sizeof(want->detail), "thread %d did what must not be done then: %s", misuse->tid,
             rw_misuse_word(misuse->kind));
}

bool rw_triggers_misused(struct rw_watched *watched, uint64_t now_ns, struct rw_want *want)
{
    const struct rw_header *header = rw_reader_header(watched->reader);
    struct rw_rules *rules = &watched->rules;
    bool is_due = false, waits = false;
    if (header->misuses == 0 ||
        (header->misuses == rules->misuses_seen && !watched->is_over && !rules->misuses_wait))
        return false;
    rules->misuses_seen = header->misuses;
    for (unsigned i = 0; i < header->misuse_count; i++) {
        struct rw_misuse misuse;
        uint64_t bit = UINT64_C(1) << i;
        if ((rules->misuses_told & bit) != 0 || rw_reader_misuse(watched->reader, i, &misuse) != 0)
            continue;
        if (!is_ripe(&misuse, watched, now_ns)) {
            waits |= ripens_with_time(&misuse);
            continue;
        }
        rules->misuses_told |= bit;
        if (!is_due)
            describe(want, watched, &misuse);
        is_due = true;
    }
    rules->misuses_wait = waits;
    return is_due;
}
