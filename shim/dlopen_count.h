/* SPDX-License-Identifier: MIT */
/* Called by dlopen_entry.S; each returns the real function. Internal to shim/. */
#ifndef RACEWATCH_SHIM_DLOPEN_COUNT_H
#define RACEWATCH_SHIM_DLOPEN_COUNT_H

void *rw_dlopen_called(const void *return_address);
void *rw_dlmopen_called(const void *return_address);

#endif
