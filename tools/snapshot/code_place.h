/* SPDX-License-Identifier: MIT */
/* Code addresses as a person finds them: by file and line, where there is debug information. */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_CODE_PLACE_H
#define RACEWATCH_TOOLS_SNAPSHOT_CODE_PLACE_H

#include <stdbool.h>
#include <stdint.h>

struct rw_symbols;

/* "file.c:12 in function" for code that is neither Python's nor in a header of the system's, else "function
 * (module+0x12)"; NULL not known. `is_return`: what is named is the call before the address. Under `ctx`. */
const char *rw_code_place(void *ctx, struct rw_symbols *symbols, uint64_t address, bool is_return);

/* The same, as an rw_describe_fn: the start of a function is meant as such and has no line, any other address
 * is where a call returns to. */
const char *rw_code_describe(void *symbols, uint64_t address, void *ctx);

#endif
