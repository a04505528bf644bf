/* SPDX-License-Identifier: MIT */
/* Who took which semaphore. Internal to shim/; lock-free, async-signal-safe, any thread. */
#ifndef RACEWATCH_SHIM_SEMAPHORE_TABLE_H
#define RACEWATCH_SHIM_SEMAPHORE_TABLE_H

void rw_semaphore_taken(const void *semaphore);
/* Before it is posted or destroyed. */
void rw_semaphore_given(const void *semaphore);

#endif
