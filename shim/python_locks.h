/* SPDX-License-Identifier: MIT */
/*
 * The options lock_owners and lock_order: record who takes and releases each threading.Lock, and in which
 * order threads take Locks and RLocks, by standing in for the methods of their types. Only tables of pointers
 * in Python's data are changed, which every interpreter and every lock uses at each call; no code is.
 * Internal to the interpreter hooks.
 */
#ifndef RACEWATCH_SHIM_PYTHON_LOCKS_H
#define RACEWATCH_SHIM_PYTHON_LOCKS_H

#include "shim/elf_module.h"

/*
 * Puts our functions into the tables of `module`, which defines Python. Does nothing without the options.
 * Where a table is not found, or is not what it should be, nothing of it is changed, and the recording says
 * so. The stores are whole, and both functions do the same to the lock: other threads may run Python
 * meanwhile.
 */
void rw_python_locks_install(const struct rw_elf_module *module);

#endif
