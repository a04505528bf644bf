/* SPDX-License-Identifier: MIT */
/* The exception table of a code object of 3.11 and later (InternalDocs/exception_handling.md). Pure. */
#ifndef RACEWATCH_TOOLS_CPYTHON_EXCEPTIONS_H
#define RACEWATCH_TOOLS_CPYTHON_EXCEPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Slots of a value stack: more than a compiler has ever asked for. */
#define RW_EXCEPTION_DEPTH_MAX 65536u

/* Instructions [start, end) are handled at target; `depth` slots of the value stack stay. Offsets in bytes.
 */
struct rw_exception_entry {
    uint32_t start, end, target, depth;
};

/* The entry at *position, which moves on; false at the end of the table, and where that is damaged. */
bool rw_exception_next(const uint8_t *table, size_t size, size_t *position, struct rw_exception_entry *entry);

/* The entry that covers the instruction at byte offset `at`: there is at most one. */
bool rw_exception_covering(const uint8_t *table, size_t size, uint32_t at, struct rw_exception_entry *entry);

/* Where the block begins that has pushed the stack up to `depth` and is still open at `at`: the offset right
 * behind the instruction that opened it. Blocks inside it may have handlers of their own; those are told
 * apart by their target. False where there is none, and where a table is so large that looking takes too
 * long.
 */
bool rw_exception_block_start(const uint8_t *table, size_t size, uint32_t at, uint32_t depth,
                              uint32_t *start);

#endif
