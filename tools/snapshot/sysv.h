/* SPDX-License-Identifier: MIT */
/*
 * System V semaphores and message queues: the kernel's objects, known by a number in an IPC namespace. Nobody
 * owns them; the kernel remembers which process operated on a semaphore last. Internal to tools/snapshot/.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_SYSV_H
#define RACEWATCH_TOOLS_SNAPSHOT_SYSV_H

#include "tools/snapshot/waits.h"

/* Completes thread->waits_on where `call` is an operation on one of them. */
void rw_sysv_fill(const struct rw_wait_look *look, struct rw_thread *thread,
                  const struct rw_proc_syscall *call);

#endif
