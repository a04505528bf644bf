/* SPDX-License-Identifier: MIT */
/*
 * The things outside of its process that can end a thread's wait, as its system call names them: descriptors,
 * those of a poll or epoll set, child processes, locked files, memory that is shared. Who has the other end
 * of each is found later, for all processes at once (peers.h). For this folder.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_WAIT_CHANNELS_H
#define RACEWATCH_TOOLS_SNAPSHOT_WAIT_CHANNELS_H

#include "tools/snapshot/calls.h"
#include "tools/snapshot/waits.h"

/* Adds channels to thread->waits_on, which is filled already. */
void rw_wait_channels(const struct rw_wait_look *look, struct rw_thread *thread,
                      const struct rw_proc_syscall *call, const struct rw_call *what);

/* The same for a wait on a futex at `address`: a channel only where the memory is shared. */
void rw_wait_memory(const struct rw_wait_look *look, struct rw_wait_on *wait, uint64_t address);

#endif
