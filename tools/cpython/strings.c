/* SPDX-License-Identifier: MIT */
#include "tools/cpython/strings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <talloc.h>

bool rw_string_state(uint32_t word, struct rw_string_state *state)
{
    static const unsigned interned_bits[] = {2, 8, 16};
    for (size_t i = 0; i < sizeof interned_bits / sizeof interned_bits[0]; i++) {
        uint32_t bits = word >> interned_bits[i];
        unsigned kind = bits & 7, compact = bits >> 3 & 1, ascii = bits >> 4 & 1;
        if ((kind == 1 || kind == 2 || kind == 4) && compact && (!ascii || kind == 1)) {
            *state = (struct rw_string_state){.width = kind, .is_ascii = ascii};
            return true;
        }
    }
    return false;
}

static uint32_t character(const void *characters, size_t i, unsigned width)
{
    uint32_t value = 0;
    memcpy(&value, (const char *)characters + i * width, width); /* little endian */
    return value;
}

static size_t encode(char *out, uint32_t c)
{
    if (c == 0)
        return (size_t)sprintf(out, "\\x00");
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c >= 0xd800 && c < 0xe000)
        return (size_t)sprintf(out, "\\u%04x", c);
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    if (c > 0x10ffff)
        return (size_t)sprintf(out, "\\U%08x", c);
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

char *rw_string_utf8(void *ctx, const void *characters, size_t count, unsigned width)
{
    size_t used = 0;
    char *out =
        talloc_array(ctx, char, count * 10 + 11); /* 10: the longest escape, and sprintf's NUL at the end */
    if (!out)
        abort();
    for (size_t i = 0; i < count; i++)
        used += encode(out + used, character(characters, i, width));
    out[used] = '\0';
    out = talloc_realloc(ctx, out, char, used + 1);
    if (!out)
        abort();
    return out;
}
