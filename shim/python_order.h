/* SPDX-License-Identifier: MIT */
/*
 * The order of Python's locks: the part of python_locks.h that the option lock_order alone asks for. Internal
 * to it.
 */
#ifndef RACEWATCH_SHIM_PYTHON_ORDER_H
#define RACEWATCH_SHIM_PYTHON_ORDER_H

#include <stdbool.h>

#include "shim/elf_module.h"
#include "shim/python_place.h"
#include "shim/python_tables.h"

/* `table`: the methods of _thread.lock, NULL if they were not found. Whether the order of Locks can be
 * recorded. */
bool rw_python_order_install(const struct rw_elf_module *module, const struct rw_python_row *table,
                             const void *py_true);

/* The calling thread took a Lock. */
void rw_python_order_taken(const void *lock, unsigned how, const struct rw_python_place *place);

/* Whether a call of acquire() with these arguments waits for as long as it takes: without arguments, or with
 * True alone. */
bool rw_python_waits_for_ever(const struct rw_python_row *row, void *a, const void *b, const void *c);

#endif
