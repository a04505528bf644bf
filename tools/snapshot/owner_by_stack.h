/* SPDX-License-Identifier: MIT */
/*
 * Owners that no lock names, but a stack does: who runs an initialisation that is done once (pthread_once,
 * std::call_once, a function's static object), and who asks for a lock of libc's own inside of the function
 * that has it. For this folder.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_OWNER_BY_STACK_H
#define RACEWATCH_TOOLS_SNAPSHOT_OWNER_BY_STACK_H

#include "tools/snapshot/waits.h"

/* Once the native stacks and the waits of all threads are there. What it finds is inferred. */
void rw_owners_by_stack(const struct rw_wait_look *look);

#endif
