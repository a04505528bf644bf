/* SPDX-License-Identifier: MIT */
#include "tools/incident/utf8.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

/* Bytes of the well-formed UTF-8 character at the start of `text` (RFC 3629: shortest form, no surrogates,
 * up to U+10FFFF), 0 if there is none. Never reads past a terminating NUL; a NUL is no character. */
static unsigned utf8_length(const char *text)
{
    const unsigned char *byte = (const unsigned char *)text;
    unsigned char low = 0x80,
                  high = 0xbf; /* range of the second byte: it excludes long forms and surrogates */
    unsigned length;

    if (byte[0] == 0)
        return 0;
    if (byte[0] < 0x80)
        return 1;
    if (byte[0] < 0xc2 || byte[0] > 0xf4)
        return 0;
    length = byte[0] < 0xe0 ? 2 : byte[0] < 0xf0 ? 3 : 4;
    if (byte[0] == 0xe0)
        low = 0xa0;
    else if (byte[0] == 0xed)
        high = 0x9f;
    else if (byte[0] == 0xf0)
        low = 0x90;
    else if (byte[0] == 0xf4)
        high = 0x8f;
    if (byte[1] < low || byte[1] > high)
        return 0;
    for (unsigned i = 2; i < length; i++)
        if (byte[i] < 0x80 || byte[i] > 0xbf)
            return 0;
    return length;
}

/* C0, DEL and C1 (U+0080 to U+009F): what a terminal may take for a command. */
static bool is_control(const char *text)
{
    unsigned char byte = (unsigned char)text[0];

    return byte < 0x20 || byte == 0x7f || (byte == 0xc2 && (unsigned char)text[1] < 0xa0);
}

static char *escape(void *ctx, const char *text, bool controls)
{
    size_t length = 0;
    char *out, *result;

    if (!text)
        return NULL;
    out = result = talloc_size(ctx, strlen(text) * 4 + 1);
    if (!result)
        abort();
    while (*text) {
        unsigned bytes = utf8_length(text);

        if (bytes && !(controls && is_control(text))) {
            memcpy(out, text, bytes);
            out += bytes;
            text += bytes;
            continue;
        }
        if (*text == '\n' || *text == '\t')
            out += sprintf(out, "\\%c", *text == '\n' ? 'n' : 't');
        else
            out += sprintf(out, "\\x%02x", (unsigned char)*text);
        text++;
        /* The second byte of a C1 control goes through as a byte of its own, which is no character. */
    }
    *out = '\0';
    length = (size_t)(out - result) + 1;
    result = talloc_realloc_size(ctx, result, length);
    if (!result)
        abort();
    talloc_set_name_const(result, "char");
    return result;
}

char *rw_utf8_escape(void *ctx, const char *text)
{
    return escape(ctx, text, false);
}

char *rw_line_escape(void *ctx, const char *text)
{
    return escape(ctx, text, true);
}
