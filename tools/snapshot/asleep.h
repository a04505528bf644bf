/* SPDX-License-Identifier: MIT */
/*
 * A thread that sleeps in a system call leaves its stack as it is, and /proc shows where that ends: it can be
 * read as it lies there, and nobody is stopped. For stacks.c.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_ASLEEP_H
#define RACEWATCH_TOOLS_SNAPSHOT_ASLEEP_H

#include "tools/snapshot/target.h"

/* Reads the stack of a target that is blocked in a call into target->lying, whose bytes are under `scratch`.
 * Of the registers the stack pointer and the pc are known. False, and nothing is kept, where it cannot be
 * read, or the thread was elsewhere or had run by the time that it was. */
bool rw_asleep_read(struct rw_look *look, struct rw_target *target);

/* Whether the thread sleeps in its call, so that what rw_asleep_read gives is its stack for certain, and not
 * only where nothing shows the opposite: the kernel counts how often it was given a processor. */
bool rw_asleep_is_certain(const struct rw_target *target);

/* Whether it has not run since its call was read: whatever was read of it meanwhile is of one moment. */
bool rw_asleep_still(const struct rw_look *look, const struct rw_target *target);

#endif
