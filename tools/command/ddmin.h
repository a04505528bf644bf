/* SPDX-License-Identifier: MIT */
/*
 * Which of many things does it take to fail? Delta debugging: Zeller, Hildebrandt, TSE 2002, the algorithm
 * ddmin. For `racewatch isolate` they are tests, for `racewatch hunt` switches between threads.
 */
#ifndef RACEWATCH_TOOLS_COMMAND_DDMIN_H
#define RACEWATCH_TOOLS_COMMAND_DDMIN_H

#include <stddef.h>

/* Whether it fails with these alone, in this order: 1 yes, 0 no, or a negative errno that ends the search. */
typedef int rw_ddmin_probe(void *context, const size_t *items, size_t count);

/* `items` is a set with which it fails, *count of them, 1 or more; it does not fail with none. Both become
 * the smallest such set that was found; the order stays. 0: without any one of them it does not fail, as far
 * as the probe tells; else what the probe returned: the set is what was known until then. */
int rw_ddmin(rw_ddmin_probe *probe, void *context, size_t *items, size_t *count);

#endif
