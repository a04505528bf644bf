/* SPDX-License-Identifier: MIT */
/*
 * Which Python a process runs, and with what layout. _PyRuntime is found by its symbol, else by the section that
 * holds it and nothing else (3.11+). A layout is believed when lists and types come out right and sys.hexversion, read
 * through interpreter, module and dict, names the version that the layout is for.
 */
#include "tools/cpython/python.h"

#include <errno.h>
#include <stdlib.h>

#include <talloc.h>

#include "tools/cpython/code.h"
#include "tools/cpython/object.h"

/* Functions by the version that brought them: for 3.8 to 3.10, which do not say their version before one knows
 * their layout. Newest first. */
static const struct {
    const char *symbol;
    unsigned minor;
} firsts[] = {
    {"Py_Version", 11},
    {"PyModule_AddObjectRef", 10},
    {"PyFrame_GetCode", 9},
    {"PyCode_NewWithPosOnlyArgs", 8},
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

/* sys.hexversion of an interpreter, 0 where it cannot be read: the modules go during finalisation. */
static uint32_t hexversion(struct rw_python *py, const struct rw_py_interpreter *in)
{
    int64_t value;
    uint64_t modules = rw_py_word(py, in->address + py->layout.interpreter.modules);
    uint64_t sys = rw_py_dict_get(py, modules, "sys");
    if (!rw_py_is(py, sys, "module"))
        return 0;
    uint64_t number = rw_py_dict_get(py, rw_py_word(py, sys + py->layout.object.size), "hexversion"); /* md_dict */
    return rw_py_integer(py, number, &value) && value > 0 && value <= UINT32_MAX ? (uint32_t)value : 0;
}

/* What a wrong layout gets wrong first, in words; NULL if the layout checks out. *hex: what sys says. */
static const char *why_not(struct rw_python *py, uint32_t *hex)
{
    const char *why = NULL;
    size_t backed = 0, frames_seen = 0, frames_right = 0;
    if (rw_py_read_interpreters(py, &why))
        return why;
    for (size_t i = 0; i < py->state_count; i++) {
        backed += py->states[i].tid > 0;
        if (frames_right)
            continue;
        uint64_t code = rw_py_innermost_code(py, &py->states[i]);
        frames_seen += code != 0;
        frames_right += code != 0 && rw_py_code_at(py, code)->is_code;
    }
    if (!py->state_count)
        return "no interpreter has a thread state";
    if (!backed && py->process->thread_count)
        return "no thread state belongs to a thread of the process";
    if (frames_seen && !frames_right)
        return "no frame leads to a code object";
    for (size_t i = 0; i < py->interpreter_count && !*hex; i++)
        *hex = hexversion(py, &py->interpreters[i]);
    if (*hex && (*hex >> 16) != (3u << 8 | py->layout.minor))
        return "sys.hexversion does not name that version";
    return NULL;
}

static void forget(struct rw_python *py)
{
    /* What was read with another layout must not be believed later; the entries are scratch's. */
    rw_py_forget(py);
    py->interpreter_count = py->state_count = 0;
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
        forget(py);
        why = why_not(py, &from_sys);
        if (!why)
            return true;
    }
    py->process->python_note = talloc_asprintf(py->incident, "the process' own debug offsets (3.%u) are not believed: %s",
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
    const char *why = why_not(py, &from_sys);
    if (from_sys && !why)
        py->process->python = version_text(py, from_sys, false);
    if (why)
        py->process->python_note = talloc_asprintf(py->incident, "%s is not believed: %s", row->source, why);
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
