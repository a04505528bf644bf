/* SPDX-License-Identifier: MIT */
/* A process's threads in the order of an address that each has: its pthread_t, the top of its stack. Internal
 * to tools/cpython. */
#ifndef RACEWATCH_TOOLS_CPYTHON_THREAD_ORDER_H
#define RACEWATCH_TOOLS_CPYTHON_THREAD_ORDER_H

#include <stddef.h>
#include <stdint.h>

struct rw_py_thread_at {
    uint64_t address;
    size_t position; /* of the thread in the process: of equal addresses the first one's counts */
};

void rw_py_order_threads(struct rw_py_thread_at *threads, size_t count);

/* The first that is at `address` or above; `count` if none is. The threads are in order. */
size_t rw_py_thread_from(const struct rw_py_thread_at *threads, size_t count, uint64_t address);

#endif
