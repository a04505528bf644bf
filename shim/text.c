/* SPDX-License-Identifier: MIT */
#include "shim/text.h"

void rw_text_begin(struct rw_text *text, char *buffer, size_t size)
{
    text->buffer = buffer;
    text->size = size;
    text->length = 0;
    text->is_cut = false;
    buffer[0] = '\0';
}

void rw_text_add_bytes(struct rw_text *text, const char *bytes, size_t length)
{
    size_t room = text->size - 1 - text->length;
    if (length > room) {
        length = room;
        text->is_cut = true;
    }
    rw_copy(text->buffer + text->length, bytes, length);
    text->length += length;
    text->buffer[text->length] = '\0';
}

void rw_text_add(struct rw_text *text, const char *string)
{
    rw_text_add_bytes(text, string, rw_text_length(string));
}

static void add_number(struct rw_text *text, uint64_t number, unsigned base)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number != 0);
    rw_text_add_bytes(text, digits + at, sizeof digits - at);
}

void rw_text_add_decimal(struct rw_text *text, uint64_t number)
{
    add_number(text, number, 10);
}

void rw_text_add_hex(struct rw_text *text, uint64_t number)
{
    add_number(text, number, 16);
}

void rw_text_copy(char *buffer, size_t size, const char *string)
{
    size_t length = 0;
    while (length < size - 1 && string[length] != '\0')
        length++;
    rw_copy(buffer, string, length);
    rw_zero(buffer + length, size - length);
}

size_t rw_text_length(const char *string)
{
    size_t length = 0;
    while (string[length] != '\0') {
        length++;
        __asm__ volatile("" ::: "memory"); /* or the compiler makes this a call of strlen */
    }
    return length;
}

bool rw_text_equal(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

const char *rw_text_after(const char *string, const char *prefix)
{
    while (*prefix != '\0') {
        if (*string++ != *prefix++)
            return NULL;
    }
    return string;
}

const char *rw_text_read_decimal(const char *string, uint64_t *number)
{
    if (*string < '0' || *string > '9')
        return NULL;
    *number = 0;
    while (*string >= '0' && *string <= '9')
        *number = *number * 10 + (uint64_t)(*string++ - '0');
    return string;
}
