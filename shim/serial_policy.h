/* SPDX-License-Identifier: MIT */
/*
 * Which of the threads that could run runs next. Knows nothing of threads, clocks or locks: numbers go in, a
 * number comes out, and the same seed gives the same numbers. No allocation, no system call; one caller at a
 * time.
 */
#ifndef RACEWATCH_SHIM_SERIAL_POLICY_H
#define RACEWATCH_SHIM_SERIAL_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/perturb.h"

enum rw_serial_way {
    RW_SERIAL_WALK = 0, /* any of them, all alike */
    RW_SERIAL_PCT,      /* the one of the highest priority; it falls at few points: Burckhardt et al. 2010 */
    RW_SERIAL_POS, /* a priority for each next operation, drawn anew for those that race: Yuan et al. 2018 */
};

enum { RW_SERIAL_CHANGES = 3 };

struct rw_serial_policy {
    struct rw_random random;
    enum rw_serial_way way;
    /* At one of so many points a time runs out though others could run: a sleep, and what a thread waits
     * before it asks for an interpreter's lock. */
    uint32_t sleeper_share, lock_share;
    uint32_t line_share; /* at one of so many lines of Python code somebody is chosen */
    /* One of so many that come to wait for an interpreter's lock gets it at a check, 0: none; and which, and
     * for how many choices others come first, is at most two to the power of these. */
    uint32_t check_share, check_doublings, stay_doublings;
    struct rw_random check_random;
    uint32_t changes; /* PCT: how many of `change_at` are used */
    uint64_t change_at[RW_SERIAL_CHANGES];
    uint64_t step;   /* choices so far */
    uint32_t lowest; /* PCT: a falling thread falls below all others; counts down */
};

/* What the policy needs to know of a thread, and keeps about it. */
struct rw_serial_candidate {
    uint64_t object;      /* what its next operation is on, 0: nothing that another thread could touch */
    uint32_t priority;    /* the policy's own */
    uint64_t stays_until; /* `step`, up to which others come first */
};

void rw_serial_policy_begin(struct rw_serial_policy *policy, uint64_t seed);

/* The thread comes to wait for an interpreter's lock. At which of its holder's checks to come it is to get
 * it; 0: when it comes to that. Others come first until then, or for a while. `seen`: how many checks have
 * been waited for, which takes time: the more, the fewer are from now on. */
uint32_t rw_serial_policy_checks(struct rw_serial_policy *policy, struct rw_serial_candidate *candidate,
                                 uint64_t seen);

/* A new thread, or for POS also a thread that has a new next operation. */
void rw_serial_policy_add(struct rw_serial_policy *policy, struct rw_serial_candidate *candidate);

/* The thread gave way of its own accord (sched_yield), or has run for long with others waiting. */
void rw_serial_policy_yielded(struct rw_serial_policy *policy, struct rw_serial_candidate *candidate);

/* Returns the index of the one to run, of `count` > 0. `current` is the one that ran so far, `count` or more
 * if it is not among them. */
uint32_t rw_serial_choose(struct rw_serial_policy *policy, struct rw_serial_candidate *const candidates[],
                          uint32_t count, uint32_t current);

#endif
