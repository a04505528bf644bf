/* SPDX-License-Identifier: MIT */
/*
 * Where a program waits for something that a lock protects, and where it tells of it. Who comes late does not
 * wait: it takes the lock, sees that it has happened, and goes on. That it was told is known from the place:
 * somebody waited there before. Internal to lock order; between rw_enter() and rw_leave(); any thread.
 */
#ifndef RACEWATCH_SHIM_LOCK_PLACES_H
#define RACEWATCH_SHIM_LOCK_PLACES_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/lock_held.h"

/* The thread waits for the condition with that mutex. */
void rw_place_waits(const struct rw_held *mutex, uint64_t condition);
/* It signals the condition, with these locks held. The mutex that may be its; 0: it is known, or there is
 * none. */
uint64_t rw_place_signals(const struct rw_locks *locks, uint64_t condition);
/* The condition that is waited for where a thread has just taken the mutex; 0: none is. */
uint64_t rw_place_condition(uint64_t mutex, uint64_t return_address);

/* In Python, whose conditions are made of locks: the functions took a lock to wait with it. */
void rw_place_python_waits(uint64_t functions);
bool rw_place_is_waiting(uint64_t functions);
/* And all that wait there go on together, once the last one has come. */
void rw_place_python_gathers(uint64_t functions);
bool rw_place_is_gathering(uint64_t functions);

#endif
