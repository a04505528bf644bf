/* SPDX-License-Identifier: MIT */
/* Python's strings as UTF-8. Pure: bytes in, text out. */
#ifndef RACEWATCH_TOOLS_CPYTHON_STRINGS_H
#define RACEWATCH_TOOLS_CPYTHON_STRINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a str object keeps its characters, from the word `state` in it. */
struct rw_string_state {
    unsigned width; /* bytes of a character: 1, 2 or 4 */
    bool is_ascii;
};

/* False where this is no compact string: all that code objects and modules use are. The word's low part,
 * which tells whether the string is interned, has 2, 8 or 16 bits, by version and build; the rest tells
 * itself apart. */
bool rw_string_state(uint32_t word, struct rw_string_state *state);

/* `count` characters of `width` bytes (1: Latin-1) as UTF-8, under `ctx`. What is no character, such as half
 * of a surrogate pair, is written \udc80, as Python's backslashreplace does; so is a NUL, as \x00. */
char *rw_string_utf8(void *ctx, const void *characters, size_t count, unsigned width);

#endif
