/* SPDX-License-Identifier: MIT */
/* Who took which semaphore. Internal to shim/; lock-free, async-signal-safe, any thread. */
#ifndef RACEWATCH_SHIM_SEMAPHORE_TABLE_H
#define RACEWATCH_SHIM_SEMAPHORE_TABLE_H

#include <stdint.h>

/* So many entries are used as long as they do: a page of the table. */
#define RW_SEMAPHORE_NEAR 256u

void rw_semaphore_taken(const void *semaphore);
/* Before it is posted or destroyed. */
void rw_semaphore_given(const void *semaphore);

/* So many entries, the first ones, were ever used, by this process or those that it was forked from. */
uint32_t rw_semaphore_count(void);

#endif
