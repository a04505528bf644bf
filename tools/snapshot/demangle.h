/* SPDX-License-Identifier: MIT */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_DEMANGLE_H
#define RACEWATCH_TOOLS_SNAPSHOT_DEMANGLE_H

/* A symbol as its C++ or Rust source has it, else as it is. A string under `ctx`; NULL only for want of
 * memory. */
char *rw_demangle(void *ctx, const char *symbol);

#endif
