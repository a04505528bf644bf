/* SPDX-License-Identifier: MIT */
/*
 * Where CPython keeps what: offsets in bytes into its structures. Up to 3.12 a table has a row for each
 * version; from 3.13 the process carries the offsets itself, in the _Py_DebugOffsets with which _PyRuntime
 * begins. A layout is a claim: rw_py_discover believes it only after it was checked against the process.
 */
#ifndef RACEWATCH_TOOLS_CPYTHON_LAYOUT_H
#define RACEWATCH_TOOLS_CPYTHON_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RW_NO_FIELD UINT32_MAX /* this version has no such field */

struct rw_layout {
    uint32_t minor; /* of 3.x */
    bool is_free_threaded;
    const char *source; /* for people: "the table's row for 3.11", "the debug offsets" */

    struct {
        uint32_t interpreters_head, finalizing;
        uint32_t gil, current; /* up to 3.11: the gil's struct, and the thread state that holds it */
    } runtime;
    struct {
        uint32_t next, id, threads_head, modules;
        uint32_t finalizing; /* an int, 1 once its finalisation began */
        uint32_t gil;        /* from 3.12: pointer to the gil's struct */
        uint32_t own_gil;    /* from 3.13: base of the offsets below in the debug offsets */
    } interpreter;
    struct {
        uint32_t next, interp, thread_id;
        uint32_t frame;  /* up to 3.10 a frame object, 3.11 and 3.12 a cframe, later an interpreter frame */
        uint32_t cframe; /* 3.10 only; 3.11 and 3.12 have it in `frame` */
        uint32_t native_thread_id, id, status;
    } thread_state;
    struct {
        uint32_t frame, previous; /* 3.10 to 3.12: one on the native stack for each evaluation loop; 3.10's
                                     has no frame */
    } cframe;
    struct {
        uint32_t size; /* bytes to read to have all fields but locals */
        uint32_t previous, code, globals, instruction, locals;
        uint32_t owner, is_entry;     /* from 3.11; 3.11 only */
        uint32_t block_count, blocks; /* up to 3.10 */
        uint32_t stack_top;           /* where the value stack ends, in a form that changed: coroutines.c */
        uint32_t tlbc_index;          /* free-threaded, from 3.14 */
    } frame;
    struct {
        uint32_t size; /* bytes to read to have all fields */
        uint32_t filename, name, qualname, lines, first_line, flags, stack_size;
        uint32_t local_count, local_names; /* from 3.11 all kinds of locals, before only the plain ones */
        uint32_t cell_names, free_names, bytecode; /* up to 3.10, objects */
        uint32_t exceptions, instructions, tlbc;   /* from 3.11 */
    } code;
    struct {
        uint32_t frame,
            state; /* up to 3.10 a pointer to a frame object and no state, later the frame itself */
    } generator;   /* coroutines and async generators have the same */
    struct {
        uint32_t size, type;
    } object;
    struct {
        uint32_t size; /* of PyTypeObject; a heap type goes on behind it */
        uint32_t name, flags;
        uint32_t cached_keys; /* of a heap type: the keys that its instances share */
    } type;
    struct {
        uint32_t items;
    } tuple;
    struct {
        uint32_t keys, values;
    } dict;
    struct {
        uint32_t length, state;
        uint32_t ascii, compact; /* where the characters begin, by sort of string */
    } string;
    struct {
        uint32_t holder, locked, enabled; /* enabled: free-threaded only */
    } gil;
};

/* The row for 3.`minor`, 3.8 to 3.12; NULL for others. */
const struct rw_layout *rw_layout_row(unsigned minor);

/* How many bytes of the debug offsets are needed at most. */
#define RW_DEBUG_OFFSETS_MAX 2048u
#define RW_DEBUG_OFFSETS_COOKIE "xdebugpy"

/* Way number `variant` (0, 1, ...) to read the debug offsets of 3.`minor`, the likeliest first. 0, -ENOENT
 * where there is no such variant, -EBADMSG where the offsets make no sense. */
int rw_layout_from_debug_offsets(const uint8_t *bytes, size_t size, unsigned minor, unsigned variant,
                                 struct rw_layout *layout);

#endif
