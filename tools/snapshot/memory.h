/* SPDX-License-Identifier: MIT */
/*
 * Memory of a process that is looked at, in layers: the bytes of a living process, the files that were mapped
 * into one that is gone, and copies laid over either. Reading never stops or changes the process; a running
 * thread may change what is being read, so a value is a claim to check, not a fact.
 *
 * A talloc object, owned by its parent; destroying it closes what it holds. Any one thread at a time.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_MEMORY_H
#define RACEWATCH_TOOLS_SNAPSHOT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rw_memory;
struct rw_modules;

/* A living process: process_vm_readv, and /proc/PID/mem where a filter refuses that. Never fails but for want
 * of memory (NULL): whether the process may be read shows at the first read. */
struct rw_memory *rw_memory_live(void *parent, int pid);

/* What the mapped files hold: read-only mappings of a process that is gone. `modules` must outlive it. */
struct rw_memory *rw_memory_of_files(void *parent, struct rw_modules *modules);

/* `length` bytes at `address` laid over `below`, which must outlive it, as must `bytes`. */
struct rw_memory *rw_memory_overlay(void *parent, struct rw_memory *below, uint64_t address,
                                    const void *bytes, size_t length);

/* All of [address, address + length) as it is now. 0; -EFAULT where something is not mapped; -EPERM where
 * reading is refused; -ESRCH where the process is gone. On an error the buffer's contents mean nothing. */
int rw_memory_read(struct rw_memory *memory, uint64_t address, void *buffer, size_t length);

/* The same through a cache of pages, for walks over many small objects that are near each other. A page
 * keeps the contents it had when it was first read, until rw_memory_forget: use rw_memory_read for what must
 * be fresh, such as the state of a lock. */
int rw_memory_read_cached(struct rw_memory *memory, uint64_t address, void *buffer, size_t length);
void rw_memory_forget(struct rw_memory *memory);

/* Calls into the kernel made so far, layers below included. */
uint64_t rw_memory_reads(const struct rw_memory *memory);

/* False for rw_memory_of_files, and for what lies over it. */
bool rw_memory_is_live(const struct rw_memory *memory);

#endif
