/* SPDX-License-Identifier: MIT */
/*
 * glibc's locks as they lie in memory: who owns one, and which object a futex belongs to. For this folder.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_LOCKS_H
#define RACEWATCH_TOOLS_SNAPSHOT_LOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/incident/incident.h"
#include "tools/snapshot/memory.h"

struct rw_reader;

/* Whether the futex at `address` is part of an object of this kind ("mutex", "rwlock", "condition",
 * "semaphore", "barrier", "join") at `object`. */
bool rw_lock_holds(const char *kind, uint64_t object, uint64_t address);

/* Whether a thread that asked for the mutex at `object`, and waits on the futex at `address` with its stack
 * at `stack_pointer`, is one that will never get it: the kernel refused it a mutex with priority inheritance,
 * for a ring or an owner that is gone, and libc lets it wait for ever on a word of its own stack. */
bool rw_lock_is_refused(struct rw_memory *memory, const char *kind, uint64_t object, uint64_t address,
                        uint64_t stack_pointer);

/* The kind of object ("once" as well: an initialisation that is done once) and its address, for a futex in a
 * function of libc by that name; false if the name says nothing. *object is the futex' own address where the
 * object's cannot be told. */
bool rw_lock_of_function(const char *function, uint64_t address, const char **kind, const char **call,
                         uint64_t *object);

/* Who owns the object now. `address`: the futex waited on. `reader` may be NULL: it knows semaphores. Strings
 * are static or under `incident`. */
struct rw_owner rw_lock_owner(struct rw_incident *incident, const struct rw_process_info *process,
                              struct rw_memory *memory, struct rw_reader *reader, const char *kind,
                              uint64_t object, uint64_t address);

#endif
