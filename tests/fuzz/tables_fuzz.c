/* SPDX-License-Identifier: MIT */
/* The tables of Python's code objects: lines and exceptions. The first bytes say of which version and which
 * instruction. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tools/cpython/exceptions.h"
#include "tools/cpython/lines.h"

struct head {
    uint8_t minor, depth;
    int32_t first, at;
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct head head;
    if (size < sizeof(head) || size > 4096)
        return 0;
    memcpy(&head, bytes, sizeof(head));
    const uint8_t *table = bytes + sizeof(head);
    size -= sizeof(head);
    rw_line_of(8 + head.minor % 8, table, size, head.first, head.at);

    struct rw_exception_entry entry;
    uint32_t at = (uint32_t)head.at % 4096, start;
    if (rw_exception_covering(table, size, at, &entry) && (at < entry.start || at >= entry.end))
        abort();
    if (rw_exception_block_start(table, size, at, head.depth, &start) && start > at)
        abort();
    size_t position = 0, before = 0;
    while (rw_exception_next(table, size, &position, &entry)) {
        if (position <= before || position > size)
            abort(); /* it stands still, or has left the table */
        before = position;
    }
    return 0;
}
