/* SPDX-License-Identifier: MIT */
#include "shim/serial_policy.h"

/* Priorities that are drawn lie above those to which threads fall. */
#define DRAWN_FROM (UINT32_C(1) << 31)
#define RARER_AFTER 2048 /* checks: half as often */
#define RARER_MAX 16u

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
    policy->check_random = rw_random_from(seed, 5);
    bool has_checks = rw_random_below(&policy->check_random, 2) != 0;
    policy->check_share = has_checks ? UINT32_C(1) << rw_random_below(&policy->check_random, 3) : 0;
    policy->check_doublings = 4 + rw_random_below(&policy->check_random, 8);
    policy->stay_doublings = 6 + rw_random_below(&policy->check_random, 9);
}

/* Below two to the power of `doublings`, small ones as likely as large ones; 1 at least. */
static uint32_t draw_length(struct rw_random *random, uint32_t doublings)
{
    uint32_t base = UINT32_C(1) << rw_random_below(random, doublings);
    return base + rw_random_below(random, base);
}

uint32_t rw_serial_policy_checks(struct rw_serial_policy *policy, struct rw_serial_candidate *candidate,
                                 uint64_t seen)
{
    uint32_t rarer = seen / RARER_AFTER < RARER_MAX ? (uint32_t)(seen / RARER_AFTER) : RARER_MAX;
    if (policy->check_share == 0 || rw_random_below(&policy->check_random, policy->check_share << rarer) != 0)
        return 0;
    candidate->stays_until = policy->step + draw_length(&policy->check_random, policy->stay_doublings);
    return draw_length(&policy->check_random, policy->check_doublings);
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

static bool stays(const struct rw_serial_policy *policy, const struct rw_serial_candidate *candidate)
{
    return candidate->stays_until > policy->step;
}

/* How many do not stay; where all do, nobody is held up by that. */
static uint32_t count_coming(const struct rw_serial_policy *policy,
                             struct rw_serial_candidate *const candidates[], uint32_t count)
{
    uint32_t coming = 0;
    for (uint32_t i = 0; i < count; i++)
        coming += !stays(policy, candidates[i]);
    return coming;
}

static uint32_t any(struct rw_serial_policy *policy, struct rw_serial_candidate *const candidates[],
                    uint32_t count)
{
    uint32_t coming = count_coming(policy, candidates, count);
    uint32_t skip = rw_random_below(&policy->random, coming != 0 ? coming : count);
    for (uint32_t i = 0; i < count; i++) {
        if ((coming == 0 || !stays(policy, candidates[i])) && skip-- == 0)
            return i;
    }
    return 0;
}

static uint32_t highest(const struct rw_serial_policy *policy, struct rw_serial_candidate *const candidates[],
                        uint32_t count)
{
    bool has_coming = count_coming(policy, candidates, count) != 0;
    uint32_t best = count;
    for (uint32_t i = 0; i < count; i++) {
        if (has_coming && stays(policy, candidates[i]))
            continue;
        if (best == count || candidates[i]->priority > candidates[best]->priority)
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
    return highest(policy, candidates, count);
}

static uint32_t choose_pos(struct rw_serial_policy *policy, struct rw_serial_candidate *const candidates[],
                           uint32_t count)
{
    uint32_t best = highest(policy, candidates, count);
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
                                                     : any(policy, candidates, count);
    policy->step++;
    return chosen;
}
