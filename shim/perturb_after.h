/* SPDX-License-Identifier: MIT */
/*
 * Delays after a read-write lock or a C11 mutex was given back, or a condition's waiter was woken: they stand
 * in rw_real in place of the real functions, so that nothing is asked where no schedule is bent. A mutex's is
 * perturb_gil.c's, which has to tell the GIL's from others. Internal to shim/.
 */
#ifndef RACEWATCH_SHIM_PERTURB_AFTER_H
#define RACEWATCH_SHIM_PERTURB_AFTER_H

/* In the constructor, when all real functions are resolved. */
void rw_delay_after_begin(void);

#endif
