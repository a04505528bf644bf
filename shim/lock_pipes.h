/* SPDX-License-Identifier: MIT */
/*
 * Turns that are handed on through pipes, FIFOs, pairs of sockets and eventfds: with lock_order, what a
 * thread did before it wrote into one comes before what another one does that read from it. The calls are
 * seen where modules make them through their tables, which are changed with that option alone: nobody else's
 * read() and write() go by way of the library. Internal to lock order.
 */
#ifndef RACEWATCH_SHIM_LOCK_PIPES_H
#define RACEWATCH_SHIM_LOCK_PIPES_H

#include "shim/elf_module.h"

/* In all modules that are loaded. In the constructor, with lock_order. */
void rw_lock_pipes_install(void);

/* In one that was loaded since; any thread, not in signal handlers. Changes no errno. */
void rw_lock_pipes_see(const struct rw_elf_module *module);

#endif
