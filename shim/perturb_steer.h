/* SPDX-License-Identifier: MIT */
/*
 * Delays where `racewatch hunt` wants them: between the two locks of orders that could be a deadlock. A
 * thread that holds a lock and is about to take another one by one of the calls that the option `steer` lists
 * waits until as many threads are at such calls as the ring of orders has, for a while. Then each has its
 * first lock, and they go on at once. Needs lock_order, which knows who holds a lock. Internal to shim/; no
 * function changes errno, and none is a cancellation point.
 *
 * The list: how many threads, and the calls, with commas between them. "n" and the low 12 bits of a return
 * address in hexadecimal digits, which are the same wherever the module lies; "p" and a line of Python code;
 * "g": a call for the GIL.
 */
#ifndef RACEWATCH_SHIM_PERTURB_STEER_H
#define RACEWATCH_SHIM_PERTURB_STEER_H

#include <stdbool.h>

extern bool rw_steer_is_on __attribute__((visibility("hidden")));

/* In the constructor. Nothing is listed: nothing happens. */
void rw_steer_begin(const char *list);

/* Before a lock of libc's is taken. Not in a signal handler. */
void rw_steer_at_call(const void *return_address, bool is_mutex);

/* Before a Python lock is taken, attached; gives the GIL up meanwhile. */
void rw_steer_at_python(void);

#endif
