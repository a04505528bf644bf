/* SPDX-License-Identifier: MIT */
#include "shim/serial_policy.h"

/* Priorities that are drawn lie above those to which threads fall. */
#define DRAWN_FROM (UINT32_C(1) << 31)

/* How long the run will be is not known when the change points are set: its magnitude is drawn too, so that
 * short and long programs each get their share of seeds. */
void rw_serial_policy_begin(struct rw_serial_policy *policy, uint64_t seed)
{
    *policy = (struct rw_serial_policy){.random = rw_random_from(seed, 3), .lowest = DRAWN_FROM};
    uint32_t way = rw_random_below(&policy->random, 10);
    policy->way = way < 6 ? RW_SERIAL_WALK : way < 8 ? RW_SERIAL_PCT : RW_SERIAL_POS;
    policy->sleeper_share = UINT32_C(2) << rw_random_below(&policy->random, 4);
    policy->lock_share = UINT32_C(1) << rw_random_below(&policy->random, 4);
    policy->changes = 1 + rw_random_below(&policy->random, RW_SERIAL_CHANGES);
    uint32_t length = UINT32_C(8) << rw_random_below(&policy->random, 10);
    for (uint32_t i = 0; i < RW_SERIAL_CHANGES; i++)
        policy->change_at[i] = rw_random_below(&policy->random, length);
    /* A change point may fall on any line, and others do not change who runs. */
    struct rw_random own = rw_random_from(seed, 4);
    policy->line_share = policy->way == RW_SERIAL_PCT ? 1 : UINT32_C(1) << rw_random_below(&own, 7);
}

void rw_serial_policy_add(struct rw_serial_policy *policy, struct rw_serial_candidate *candidate)
{
    candidate->priority = DRAWN_FROM + rw_random_below(&policy->random, DRAWN_FROM);
}

void rw_serial_policy_yielded(struct rw_serial_policy *policy, struct rw_serial_candidate *candidate)
{
    if (policy->way == RW_SERIAL_PCT)
        candidate->priority = --policy->lowest;
    else if (policy->way == RW_SERIAL_POS)
        candidate->priority = 0; /* until its next operation */
}

static uint32_t highest(struct rw_serial_candidate *const candidates[], uint32_t count)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++) {
        if (candidates[i]->priority > candidates[best]->priority)
            best = i;
    }
    return best;
}

static uint32_t choose_pct(struct rw_serial_policy *policy, struct rw_serial_candidate *const candidates[],
                           uint32_t count, uint32_t current)
{
    for (uint32_t i = 0; i < policy->changes; i++) {
        if (policy->change_at[i] == policy->step && current < count)
            candidates[current]->priority = --policy->lowest;
    }
    return highest(candidates, count);
}

static uint32_t choose_pos(struct rw_serial_policy *policy, struct rw_serial_candidate *const candidates[],
                           uint32_t count)
{
    uint32_t best = highest(candidates, count);
    for (uint32_t i = 0; i < count; i++) {
        bool races = candidates[best]->object != 0 && candidates[i]->object == candidates[best]->object;
        if (i != best && races)
            rw_serial_policy_add(policy, candidates[i]);
    }
    rw_serial_policy_add(policy, candidates[best]);
    return best;
}

uint32_t rw_serial_choose(struct rw_serial_policy *policy, struct rw_serial_candidate *const candidates[],
                          uint32_t count, uint32_t current)
{
    uint32_t chosen = policy->way == RW_SERIAL_PCT   ? choose_pct(policy, candidates, count, current)
                      : policy->way == RW_SERIAL_POS ? choose_pos(policy, candidates, count)
                                                     : rw_random_below(&policy->random, count);
    policy->step++;
    return chosen;
}
