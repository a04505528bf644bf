/* SPDX-License-Identifier: MIT */
/*
 * Sleeps by select() and poll() that are given no descriptor, as CPython's time.sleep() up to 3.10: in serial
 * mode they are sleeps of the model's. The calls are seen where modules make them through their tables, which
 * are changed in that mode alone. Internal to serial mode.
 */
#ifndef RACEWATCH_SHIM_SERIAL_SELECT_H
#define RACEWATCH_SHIM_SERIAL_SELECT_H

#include "shim/elf_module.h"

/* In all modules that are loaded. In the constructor, in serial mode. */
void rw_serial_select_install(void);

/* In one that was loaded since; any thread, not in signal handlers. Changes no errno. */
void rw_serial_select_see(const struct rw_elf_module *module);

#endif
