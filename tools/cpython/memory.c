/* SPDX-License-Identifier: MIT */
/* Reading words of the process; nothing below the first page is ever an address. */
#include "tools/cpython/python.h"

#include <errno.h>

#include "tools/cpython/code.h"
#include "tools/cpython/object.h"

int rw_py_read(struct rw_python *py, uint64_t address, void *buffer, size_t size)
{
    if (address < 4096 || address + size < address)
        return -EFAULT;
    return rw_memory_read(py->memory, address, buffer, size);
}

uint64_t rw_py_word(struct rw_python *py, uint64_t address)
{
    uint64_t value;
    return rw_py_read(py, address, &value, sizeof value) ? 0 : value;
}

uint32_t rw_py_int(struct rw_python *py, uint64_t address)
{
    uint32_t value;
    return rw_py_read(py, address, &value, sizeof value) ? 0 : value;
}

int rw_py_read_kept(struct rw_python *py, uint64_t address, void *buffer, size_t size)
{
    if (address < 4096 || address + size < address)
        return -EFAULT;
    return rw_memory_read_cached(py->memory, address, buffer, size);
}

uint64_t rw_py_kept_word(struct rw_python *py, uint64_t address)
{
    uint64_t value;
    return rw_py_read_kept(py, address, &value, sizeof value) ? 0 : value;
}

void rw_py_forget(struct rw_python *py)
{
    rw_memory_forget(py->memory);
    HASH_CLEAR(hh, py->codes);
    HASH_CLEAR(hh, py->types);
}
