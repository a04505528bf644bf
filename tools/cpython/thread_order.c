/* SPDX-License-Identifier: MIT */
#include "tools/cpython/thread_order.h"

#include <stdlib.h>

static int compare(const void *left, const void *right)
{
    const struct rw_py_thread_at *a = left, *b = right;
    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    return (a->position > b->position) - (a->position < b->position);
}

void rw_py_order_threads(struct rw_py_thread_at *threads, size_t count)
{
    qsort(threads, count, sizeof *threads, compare);
}

size_t rw_py_thread_from(const struct rw_py_thread_at *threads, size_t count, uint64_t address)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (threads[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
