/* SPDX-License-Identifier: MIT */
/*
 * queue.SimpleQueue, by which executors hand on their work: with lock_order, what a thread did before it put
 * something in comes before what another one does that got something out. It is C code with a wait of its
 * own, in an extension module. Internal to the interpreter hooks.
 */
#ifndef RACEWATCH_SHIM_PYTHON_QUEUES_H
#define RACEWATCH_SHIM_PYTHON_QUEUES_H

#include "shim/elf_module.h"

/* Python loaded this module and has not run it yet: puts our functions into the table of SimpleQueue's
 * methods, where it has one. As rw_python_locks_install(). */
void rw_python_queues_install(const struct rw_elf_module *module);

#endif
