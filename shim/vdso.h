/* SPDX-License-Identifier: MIT */
/* The kernel's own clock: no library that is preloaded to bend time sits between. */
#ifndef RACEWATCH_SHIM_VDSO_H
#define RACEWATCH_SHIM_VDSO_H

#include <time.h>

typedef int rw_clock_gettime_fn(clockid_t, struct timespec *);

/* clock_gettime of the vDSO; NULL if the kernel gives none. Not for signal handlers. */
rw_clock_gettime_fn *rw_vdso_clock_gettime(void);

#endif
