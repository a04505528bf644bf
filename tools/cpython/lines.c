/* SPDX-License-Identifier: MIT */
#include "tools/cpython/lines.h"

#include <stdbool.h>

/* What steps of any bytes add up to may be no line at all. */
static int as_line(int64_t line)
{
    return line > 0 && line < INT32_MAX ? (int)line : 0;
}

/* 3.8 and 3.9, co_lnotab: pairs of an unsigned step in bytes and a signed step in lines
 * (Objects/lnotab_notes.txt). */
static int from_lnotab(const uint8_t *table, size_t size, int first, int32_t at)
{
    int64_t line = first, address = 0;
    for (size_t i = 0; i + 1 < size; i += 2) {
        address += table[i];
        if (address > at)
            break;
        line += (int8_t)table[i + 1];
    }
    return as_line(line);
}

/* 3.10, co_linetable of PEP 626: pairs of a range's length in bytes and a signed step in lines; -128: no
 * line. */
static int from_ranges(const uint8_t *table, size_t size, int first, int32_t at)
{
    int64_t line = first, end = 0;
    for (size_t i = 0; i + 1 < size; i += 2) {
        int step = (int8_t)table[i + 1];
        end += table[i];
        if (step != -128)
            line += step;
        if (at < end)
            return step == -128 ? 0 : as_line(line);
    }
    return 0;
}

struct cursor {
    const uint8_t *at, *end;
};

/* Six bits a byte, the lowest first; the bit 64 says that more follow. The first byte of an entry is the only
 * one with the bit 128, so a number never runs over into the next entry. */
static uint32_t read_number(struct cursor *c)
{
    uint32_t value = 0;
    for (unsigned shift = 0; c->at < c->end && !(*c->at & 0x80); shift += 6) {
        uint8_t byte = *c->at++;
        if (shift < 32)
            value |= (uint32_t)(byte & 0x3f) << shift;
        if (!(byte & 0x40))
            break;
    }
    return value;
}

static int32_t read_signed(struct cursor *c)
{
    uint32_t value = read_number(c);
    return value & 1 ? -(int32_t)(value >> 1) : (int32_t)(value >> 1);
}

/* 3.11 and later, co_linetable: entries of a byte 1ccccnnn (sort c, n+1 code units of 2 bytes) and what the
 * sort needs (Objects/locations.md; InternalDocs/code_objects.md). */
static int from_locations(const uint8_t *table, size_t size, int first, int32_t at)
{
    struct cursor c = {table, table + size};
    int64_t line = first, end = 0;
    while (c.at < c.end) {
        uint8_t head = *c.at++;
        if (!(head & 0x80))
            return 0;
        unsigned sort = head >> 3 & 15;
        end += ((head & 7) + 1) * 2;
        bool has_line = sort != 15;
        if (sort >= 10 && sort <= 12)
            line += (int)sort - 10;
        else if (sort == 13 || sort == 14)
            line += read_signed(&c);
        if (at < end)
            return has_line ? as_line(line) : 0;
        while (c.at < c.end && !(*c.at & 0x80)) /* columns */
            c.at++;
    }
    return 0;
}

int rw_line_of(unsigned minor, const uint8_t *table, size_t size, int first, int32_t at)
{
    if (at < 0)
        return first;
    if (minor <= 9)
        return from_lnotab(table, size, first, at);
    if (minor == 10)
        return from_ranges(table, size, first, at);
    return from_locations(table, size, first, at);
}
