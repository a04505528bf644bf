/* SPDX-License-Identifier: MIT */
/*
 * From an instruction to its line, by the tables of a code object. Pure, and safe with any bytes: a table
 * that ends in the middle of an entry ends there.
 */
#ifndef RACEWATCH_TOOLS_CPYTHON_LINES_H
#define RACEWATCH_TOOLS_CPYTHON_LINES_H

#include <stddef.h>
#include <stdint.h>

/* The line of the instruction at byte offset `at` of a code object of 3.`minor` that begins in line `first`.
 * A negative offset (the code has not begun) is the first line. 0 where the code has no line there. */
int rw_line_of(unsigned minor, const uint8_t *table, size_t size, int first, int32_t at);

#endif
