/* SPDX-License-Identifier: MIT */
#include "tools/cpython/exceptions.h"

/* 2,000 `with` blocks one after the other take as many; a table that is made to look for ever is given up. */
#define STEPS_MAX (1u << 24)

/* Six bits a byte, the highest first; 64: more follow; 128: first byte of an entry. */
static bool read_number(const uint8_t *table, size_t size, size_t *position, uint32_t *value)
{
    *value = 0;
    while (*position < size) {
        uint8_t byte = table[(*position)++];
        *value = *value << 6 | (byte & 63);
        if (!(byte & 64))
            return true;
    }
    return false;
}

bool rw_exception_next(const uint8_t *table, size_t size, size_t *position, struct rw_exception_entry *entry)
{
    uint32_t start, length, target, depth;
    if (!read_number(table, size, position, &start) || !read_number(table, size, position, &length) ||
        !read_number(table, size, position, &target) || !read_number(table, size, position, &depth))
        return false;
    if (depth >> 1 > RW_EXCEPTION_DEPTH_MAX)
        return false; /* no such table: callers count down from it */
    *entry = (struct rw_exception_entry){start * 2, (start + length) * 2, target * 2, depth >> 1};
    return true;
}

bool rw_exception_covering(const uint8_t *table, size_t size, uint32_t at, struct rw_exception_entry *entry)
{
    for (size_t position = 0; rw_exception_next(table, size, &position, entry);)
        if (at >= entry->start && at < entry->end)
            return true;
    return false;
}

/* The handler lies behind what it handles; its ranges may have holes where inner blocks have handlers of
 * their own. So a block reaches from the first of its ranges to its handler, and of all that hold `at` the
 * outermost is the one. */
bool rw_exception_block_start(const uint8_t *table, size_t size, uint32_t at, uint32_t depth, uint32_t *start)
{
    struct rw_exception_entry entry, other;
    bool found = false;
    unsigned steps = 0;
    for (size_t position = 0; rw_exception_next(table, size, &position, &entry);) {
        if (entry.depth != depth || entry.start > at || entry.target <= at)
            continue;
        bool is_first = true, reaches = at < entry.end;
        for (size_t p = 0; rw_exception_next(table, size, &p, &other);) {
            if (++steps > STEPS_MAX)
                return false;
            if (other.target != entry.target || other.depth != depth)
                continue;
            is_first = is_first && other.start >= entry.start;
            reaches = reaches || other.end > at;
        }
        if (is_first && reaches && (!found || entry.start < *start)) {
            *start = entry.start;
            found = true;
        }
    }
    return found;
}
