/* SPDX-License-Identifier: MIT */
/*
 * What all ways of bending a schedule share: whether one is on, the seed, the random numbers, and each
 * thread's place in the tree of who made whom, which is the same in every run that makes the same threads.
 * Tids, addresses and clocks differ from run to run, and no choice may hang on them. Internal to shim/.
 *
 * Random numbers and places: any thread, also in signal handlers; nothing here blocks or changes errno.
 */
#ifndef RACEWATCH_SHIM_PERTURB_H
#define RACEWATCH_SHIM_PERTURB_H

#include <stddef.h>
#include <stdint.h>

#include "shim/real.h"

#define RW_PLACE_VARIABLE "RACEWATCH_PLACE" /* of a process that is exec'd: 16 hexadecimal digits */

struct rw_shim_options;

enum rw_perturb_mode {
    RW_PERTURB_OFF = 0,
    RW_PERTURB_DELAY,
    RW_PERTURB_SERIAL,
};

/* Set in the constructor, before the program has a second thread, and never again in this process. Wrappers
 * ask it with __builtin_expect(rw_perturb_mode != RW_PERTURB_OFF, 0) at most once on a path that is fast. */
extern enum rw_perturb_mode rw_perturb_mode RW_HIDDEN;
extern uint64_t rw_perturb_seed RW_HIDDEN;

/* In the constructor, once this process is recorded. Gives the main thread its place. */
void rw_perturb_begin(const struct rw_shim_options *options);

/* The calling thread's place; 0: it has none, for it was made behind the shim's back. It is to be left alone.
 */
uint64_t rw_place(void);

/* The place of the next thread or process that the calling thread makes. Each call counts one. */
uint64_t rw_place_next(void);

/* By a new thread, and by the thread that is left in a fork child: takes the place that its maker chose. */
void rw_place_take(uint64_t place);

/*
 * The environment for a program that the calling thread is about to exec or spawn: the same, but that the
 * entry of RW_PLACE_VARIABLE, if there is one, names the place of the new process. `list` has room for
 * rw_place_entries(environment) pointers, and `entry` for RW_PLACE_ENTRY bytes; both live as long as the
 * result does. Where nothing is perturbed it is `environment` itself. Also in a child of vfork(), whose
 * places are its parent's.
 */
#define RW_PLACE_ENTRY (sizeof RW_PLACE_VARIABLE "=" + 16)
size_t rw_place_entries(char *const environment[]);
char *const *rw_place_environment(char *const environment[], char *list[], char *entry);

/* A stream of random numbers (splitmix64: Steele, Lea, Flood, OOPSLA 2014). */
struct rw_random {
    uint64_t state;
};

static inline uint64_t rw_random_mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static inline uint64_t rw_random(struct rw_random *random)
{
    return rw_random_mix(random->state += UINT64_C(0x9e3779b97f4a7c15));
}

/* Evenly from 0 to count - 1; count is below 2^32. */
static inline uint32_t rw_random_below(struct rw_random *random, uint32_t count)
{
    return (uint32_t)((rw_random(random) >> 32) * count >> 32);
}

/* True in `share` of 1024 cases. */
static inline int rw_random_is(struct rw_random *random, uint32_t share)
{
    return rw_random_below(random, 1024) < share;
}

/* A stream that depends on these alone. */
static inline struct rw_random rw_random_from(uint64_t seed, uint64_t what)
{
    return (struct rw_random){rw_random_mix(seed + UINT64_C(0x9e3779b97f4a7c15)) ^ rw_random_mix(~what)};
}

#endif
