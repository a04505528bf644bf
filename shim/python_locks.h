/* SPDX-License-Identifier: MIT */
/*
 * The option lock_owners: records who takes and releases each threading.Lock, by standing in for the methods
 * of its type. Only a table of pointers in Python's data is changed, which every interpreter and every lock
 * uses at each call; no code is. Internal to the interpreter hooks.
 */
#ifndef RACEWATCH_SHIM_PYTHON_LOCKS_H
#define RACEWATCH_SHIM_PYTHON_LOCKS_H

#include "shim/elf_module.h"

/*
 * Puts our functions into the table of `module`, which defines Python. Does nothing without the option. Where
 * the table is not found, or is not what it should be, nothing is changed, and the recording says so. The
 * stores are whole, and both functions do the same to the lock: other threads may run Python meanwhile.
 */
void rw_python_locks_install(const struct rw_elf_module *module);

#endif
