/* SPDX-License-Identifier: MIT */
/*
 * Text and memory without libc's functions: those may be interposed by a sanitizer, which would then check or
 * report accesses of ours, or not be ready yet. Async-signal-safe.
 */
#ifndef RACEWATCH_SHIM_TEXT_H
#define RACEWATCH_SHIM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A text that grows in a buffer of the caller's; always terminated; what does not fit is cut and `is_cut`
 * set. */
struct rw_text {
    char *buffer;
    size_t size;
    size_t length;
    bool is_cut;
};

void rw_text_begin(struct rw_text *text, char *buffer, size_t size);
void rw_text_add(struct rw_text *text, const char *string);
void rw_text_add_bytes(struct rw_text *text, const char *bytes, size_t length);
void rw_text_add_decimal(struct rw_text *text, uint64_t number);
void rw_text_add_hex(struct rw_text *text, uint64_t number);

/* Copies `string` cut to size - 1 bytes; fills the rest with zeros. */
void rw_text_copy(char *buffer, size_t size, const char *string);

size_t rw_text_length(const char *string);
bool rw_text_equal(const char *a, const char *b);
/* What follows `prefix` in `string`, NULL if it does not begin with it. */
const char *rw_text_after(const char *string, const char *prefix);
/* Reads decimal digits; returns the first byte after them, NULL if there are none. */
const char *rw_text_read_decimal(const char *string, uint64_t *number);

static inline void rw_copy(void *to, const void *from, size_t length)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
}

static inline void rw_zero(void *to, size_t length)
{
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(length) : "a"(0) : "memory");
}

#endif
