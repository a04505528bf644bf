/* SPDX-License-Identifier: MIT */
/*
 * The table of misuses in the recording. Internal to shim/. Any thread, not between rw_enter() and
 * rw_leave(); no allocation, errno is kept. What is wrong is the wrappers' to find out; correct programs
 * never come here.
 */
#ifndef RACEWATCH_SHIM_MISUSE_H
#define RACEWATCH_SHIM_MISUSE_H

#include "shim/recording.h"
#include "shim/slot.h"

/* Writes it down: time, tid and name are the calling thread's and are filled in here, the other's name too
 * where it is "" and `other_tid` is a thread of this process. One that was done from the same two places
 * before is counted there, unless its kind waits for an outcome. Returns its number, 0 if there was no room.
 */
uint32_t rw_misuse_record(const struct rw_misuse *misuse);

/* What came of it. `other`: the thread that it is about, whose tid and name are taken over; NULL: as they
 * are. */
void rw_misuse_settle(uint32_t number, enum rw_misuse_outcome outcome, const struct rw_slot *other);

/* In a fresh recording. */
void rw_misuse_begin(void);

#endif
