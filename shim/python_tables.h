/* SPDX-License-Identifier: MIT */
/*
 * Finds tables of functions in Python's data that have no exported name: arrays of methods, and the slot of a
 * type's destructor. Descriptors, bound methods and the interpreter's specialised calls keep a pointer to a
 * method's row and read its function at each call, in every interpreter; nobody keeps the function. So a
 * table can be changed when the library is loaded: before Python runs, and without the GIL, which nobody has
 * yet. Internal to the interpreter hooks; nothing here changes anything.
 */
#ifndef RACEWATCH_SHIM_PYTHON_TABLES_H
#define RACEWATCH_SHIM_PYTHON_TABLES_H

#include <stdbool.h>
#include <stddef.h>

#include "shim/elf_module.h"

/* The calling conventions of `FLAGS_KNOWN` pass at most four words in registers, so one function stands in
 * for all. */
typedef void *rw_python_method(void *self, void *a, void *b, void *c);

/* PyMethodDef, the same in all versions. */
struct rw_python_row {
    const char *name;
    rw_python_method *function;
    int flags;
    const char *doc;
};

enum rw_python_convention {
    RW_PYTHON_VARARGS = 0x0001,
    RW_PYTHON_KEYWORDS = 0x0002,
    RW_PYTHON_FASTCALL = 0x0080,
    RW_PYTHON_METHOD = 0x0200, /* a fifth word: the class goes before the arguments; since 3.9 */
};

struct rw_python_wanted {
    const char *name;
    rw_python_method *replacement;
    bool is_required;
    rw_python_method *original; /* NULL: this Python has no such method */
    struct rw_python_row *row;
    bool takes_five; /* the replacement stands in for RW_PYTHON_METHOD as well */
};

/*
 * The array of methods whose first row is named `first` and which has all rows of `wanted` that are required;
 * fills in the rows. NULL where none, or more than one, is all that it should be: rows that are there point
 * to code, may be written to, and have a calling convention that is known.
 */
struct rw_python_row *rw_python_find_methods(const struct rw_elf_module *module, const char *first,
                                             struct rw_python_wanted *wanted, size_t count);

/* Where the destructor of the type whose methods these are is written down: in the type, or in the array of
 * slots that it will be made of. NULL where it is not found, or found twice. */
void (**rw_python_find_destructor(const struct rw_elf_module *module,
                                  const struct rw_python_row *methods))(void *self);

/* Puts the replacements into the rows that were found, the last one of `wanted` first. The stores are whole:
 * other threads may run Python meanwhile. */
void rw_python_replace_methods(struct rw_python_wanted *wanted, size_t count);

#endif
