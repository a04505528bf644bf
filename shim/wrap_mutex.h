/* SPDX-License-Identifier: MIT */
#ifndef RACEWATCH_SHIM_WRAP_MUTEX_H
#define RACEWATCH_SHIM_WRAP_MUTEX_H

/* At the end of the constructor, when the options have had their say: from now on a free mutex goes to libc
 * at once where none of them wants more. In the constructor's thread; without it mutexes work, and cost a
 * little more. */
void rw_mutex_begin(void);

#endif
