/* SPDX-License-Identifier: MIT */
/*
 * Which Python a process runs, and with what layout. _PyRuntime is found by its symbol, else by the section
 * that holds it and nothing else (3.11+). A layout is believed when it checks out: check.c.
 */
#include "tools/cpython/python.h"

#include <errno.h>

#include <talloc.h>

#include "tools/cpython/check.h"

/* Functions by the version that brought them: for 3.8 to 3.10, which do not say their version before one
 * knows their layout. Newest first. */
static const struct {
    const char *symbol;
    unsigned minor;
} firsts[] = {
    {"Py_Version", 11},     {"PyModule_AddObjectRef", 10},
    {"PyFrame_GetCode", 9}, {"PyCode_NewWithPosOnlyArgs", 8},
    {"_PyRuntime", 7},
};

static uint64_t find_runtime(struct rw_python *py)
{
    uint64_t address = rw_symbols_address_of(py->symbols, "_PyRuntime"), size;
    if (!address && rw_symbols_section(py->symbols, NULL, ".PyRuntime", &address, &size))
        address = 0;
    return address;
}

static const char *version_text(struct rw_python *py, uint32_t hex, bool is_free_threaded)
{
    static const char *const levels[16] = {[0xa] = "a", [0xb] = "b", [0xc] = "rc"};
    unsigned level = hex >> 4 & 15;
    char *text = talloc_asprintf(py->incident, "%u.%u.%u", hex >> 24, hex >> 16 & 255, hex >> 8 & 255);
    if (text && levels[level])
        text = talloc_asprintf_append(text, "%s%u", levels[level], hex & 15);
    if (text && is_free_threaded)
        text = talloc_asprintf_append(text, " free-threaded");
    return text;
}

static bool try_debug_offsets(struct rw_python *py, const uint8_t *bytes, uint32_t hex)
{
    unsigned minor = hex >> 16 & 255;
    const char *why = "they make no sense";
    for (unsigned variant = 0;; variant++) {
        uint32_t from_sys = 0;
        int error = rw_layout_from_debug_offsets(bytes, RW_DEBUG_OFFSETS_MAX, minor, variant, &py->layout);
        if (error == -ENOENT)
            break;
        py->process->python = version_text(py, hex, py->layout.is_free_threaded);
        if (error)
            continue;
        why = rw_py_why_not(py, &from_sys);
        if (!why)
            return true;
    }
    py->process->python_note =
        why == rw_py_no_interpreter
            ? why
            : talloc_asprintf(py->incident, "the process' own debug offsets (3.%u) are not believed: %s",
                              minor, why);
    return false;
}

static unsigned minor_by_symbols(struct rw_python *py)
{
    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++)
        if (rw_symbols_address_of(py->symbols, firsts[i].symbol))
            return firsts[i].minor;
    return 0;
}

static bool try_row(struct rw_python *py, unsigned minor, uint32_t hex)
{
    uint32_t from_sys = 0;
    const struct rw_layout *row = rw_layout_row(minor);
    const char *version = hex ? version_text(py, hex, false) : talloc_asprintf(py->incident, "3.%u", minor);
    py->process->python = version;
    if (!row) {
        py->process->python_note = talloc_asprintf(
            py->incident, "there is no layout for CPython 3.%u: 3.8 and later are known", minor);
        return false;
    }
    py->layout = *row;
    const char *why = rw_py_why_not(py, &from_sys);
    if (from_sys && !why)
        py->process->python = version_text(py, from_sys, false);
    if (why)
        py->process->python_note =
            why == rw_py_no_interpreter
                ? why
                : talloc_asprintf(py->incident, "%s is not believed: %s", row->source, why);
    return !why;
}

/* The offset that glibc tells libthread_db: size in bits, number of elements, offset. */
static void find_tid_in_pthread(struct rw_python *py)
{
    uint32_t descriptor[3];
    uint64_t address = rw_symbols_address_of(py->symbols, "_thread_db_pthread_tid");
    py->tid_in_pthread = 720; /* glibc 2.36 to 2.43 */
    if (address && !rw_py_read(py, address, descriptor, sizeof descriptor) && descriptor[0] == 32 &&
        descriptor[2] < 65536)
        py->tid_in_pthread = descriptor[2];
}

bool rw_py_discover(struct rw_python *py)
{
    uint8_t bytes[RW_DEBUG_OFFSETS_MAX];
    uint64_t py_version;
    py->runtime = find_runtime(py);
    if (!py->runtime)
        return false;
    find_tid_in_pthread(py);
    if (rw_py_read(py, py->runtime, bytes, sizeof bytes)) {
        py->process->python_note = "Python's state could not be read";
        return false;
    }
    if (!memcmp(bytes, RW_DEBUG_OFFSETS_COOKIE, 8))
        return try_debug_offsets(py, bytes, (uint32_t)rw_py_field(bytes, 8));
    py_version = rw_symbols_address_of(py->symbols, "Py_Version");
    uint32_t hex = py_version ? (uint32_t)rw_py_word(py, py_version) : 0;
    return try_row(py, hex ? hex >> 16 & 255 : minor_by_symbols(py), hex);
}
