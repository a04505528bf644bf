/* SPDX-License-Identifier: MIT */
/* A child process without libc's fork: no pthread_atfork handlers, no locks, and no exit signal if wanted.
 * x86-64. */
#ifndef RACEWATCH_SHIM_RAW_CLONE_H
#define RACEWATCH_SHIM_RAW_CLONE_H

#include <stddef.h>

/* Runs function(argument) in a child, on a stack of its own, and ends it with what the function returns.
 * `flags` are clone's, exit signal included; the function must use raw system calls only, and with CLONE_VM
 * it shares all memory, errno and thread-local storage with the caller. Returns the child's pid or a negative
 * errno. */
long rw_raw_clone(unsigned long flags, void *stack, size_t size, int (*function)(void *), void *argument);

#endif
