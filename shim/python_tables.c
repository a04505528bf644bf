/* SPDX-License-Identifier: MIT */
#include "shim/python_tables.h"

#include <stdint.h>
#include <string.h>

/* METH_METHOD passes more, METH_CLASS and METH_STATIC something else first; METH_COEXIST is harmless. */
#define FLAGS_KNOWN (0x0001 | 0x0002 | 0x0004 | 0x0008 | 0x0040 | 0x0080)
#define ROWS_MAX 32u

/* PyTypeObject of 3.8 to 3.9, in which these types are static: offsets in bytes. */
#define TYPE_NAME 24u
#define TYPE_DESTRUCTOR 48u
#define TYPE_METHODS 232u

/* PyType_Slot, of which such types are made since 3.10: Include/typeslots.h. */
struct slot {
    uint64_t number; /* an int, and padding */
    void *function;
};
#define SLOT_DESTRUCTOR 52u
#define SLOT_METHODS 64u
#define SLOTS_MAX 32

/* Whether `name` is at `address`, in what the module's file has there. */
static bool is_string(const struct rw_elf_module *module, uintptr_t address, const char *name)
{
    const size_t size = strlen(name) + 1;
    const Elf64_Phdr *segment = rw_elf_module_segment(module, address, size);
    return segment && (segment->p_flags & PF_R) && memcmp((const void *)address, name, size) == 0;
}

static bool is_code(const struct rw_elf_module *module, uintptr_t address)
{
    const Elf64_Phdr *segment = rw_elf_module_segment(module, address, 1);
    return segment && (segment->p_flags & PF_X);
}

/* The words of the module's data that its file has; returns how many. */
static size_t data_of(const struct rw_elf_module *module, size_t segment_index, uintptr_t **words)
{
    const Elf64_Phdr *segment = &module->segments[segment_index];
    if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_W))
        return 0;
    const uintptr_t begin = (module->base + segment->p_vaddr + 7) & ~(uintptr_t)7;
    const uintptr_t end = module->base + segment->p_vaddr + segment->p_filesz;
    *words = (uintptr_t *)begin;
    return end > begin ? (end - begin) / sizeof(uintptr_t) : 0;
}

/* The rows of the array that begins at `first`; false where it is not all that it should be. */
static bool read_rows(const struct rw_elf_module *module, struct rw_python_row *first,
                      struct rw_python_wanted *wanted, size_t count)
{
    for (size_t i = 0; i < count; i++)
        wanted[i].row = NULL;
    for (struct rw_python_row *row = first; row < first + ROWS_MAX; row++) {
        if (!rw_elf_module_segment(module, (uintptr_t)row, sizeof *row))
            return false;
        if (!row->name)
            break;
        for (size_t i = 0; i < count; i++) {
            if (!is_string(module, (uintptr_t)row->name, wanted[i].name))
                continue;
            if (wanted[i].row ||
                (row->flags & ~(FLAGS_KNOWN | (wanted[i].takes_five ? RW_PYTHON_METHOD : 0))) ||
                !is_code(module, (uintptr_t)row->function) || rw_elf_module_is_relro(module, (uintptr_t)row))
                return false;
            wanted[i].row = row;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (wanted[i].is_required && !wanted[i].row)
            return false;
    }
    return true;
}

struct rw_python_row *rw_python_find_methods(const struct rw_elf_module *module, const char *first,
                                             struct rw_python_wanted *wanted, size_t count)
{
    struct rw_python_row *found = NULL;
    for (size_t i = 0; i < module->segment_count; i++) {
        uintptr_t *words = NULL;
        const size_t size = data_of(module, i, &words),
                     row_size = sizeof(struct rw_python_row) / sizeof *words;
        for (size_t at = 0; at + row_size <= size; at++) {
            struct rw_python_row *row = (struct rw_python_row *)&words[at];
            /* The name alone would do; its neighbours tell most words apart without looking at it. */
            if (!row->name || !row->function || (row->flags & ~FLAGS_KNOWN) || !row->flags ||
                !is_string(module, (uintptr_t)row->name, first) || !read_rows(module, row, wanted, count))
                continue;
            if (found)
                return NULL;
            found = row;
        }
    }
    if (!found || !read_rows(module, found, wanted, count))
        return NULL;
    for (size_t i = 0; i < count; i++)
        wanted[i].original = wanted[i].row ? wanted[i].row->function : NULL;
    return found;
}

/* Beside the slot of the methods, in the array that it is in. */
static uintptr_t *slot_beside(const struct rw_elf_module *module, struct slot *methods)
{
    for (int step = -1; step <= 1; step += 2) {
        struct slot *slot = methods;
        for (int i = 0; i < SLOTS_MAX && rw_elf_module_segment(module, (uintptr_t)slot, sizeof *slot) &&
                        slot->number != 0 && slot->number < 256;
             i++, slot += step) {
            if (slot->number == SLOT_DESTRUCTOR)
                return (uintptr_t *)&slot->function;
        }
    }
    return NULL;
}

static bool is_lock_type(const struct rw_elf_module *module, uintptr_t type)
{
    if (!rw_elf_module_segment(module, type, TYPE_METHODS))
        return false;
    const uintptr_t name = *(const uintptr_t *)(type + TYPE_NAME);
    return is_string(module, name, "_thread.lock") || is_string(module, name, "_thread.RLock");
}

/* `methods`: a word that points to them. NULL: it is no type's. */
static uintptr_t *destructor_beside(const struct rw_elf_module *module, uintptr_t *methods)
{
    const uintptr_t type = (uintptr_t)methods - TYPE_METHODS;
    uintptr_t *found = methods[-1] == SLOT_METHODS  ? slot_beside(module, (struct slot *)(methods - 1))
                       : is_lock_type(module, type) ? (uintptr_t *)(type + TYPE_DESTRUCTOR)
                                                    : NULL;
    return found && is_code(module, *found) && !rw_elf_module_is_relro(module, (uintptr_t)found) ? found
                                                                                                 : NULL;
}

void (**rw_python_find_destructor(const struct rw_elf_module *module,
                                  const struct rw_python_row *methods))(void *self)
{
    uintptr_t *found = NULL;
    for (size_t i = 0; i < module->segment_count; i++) {
        uintptr_t *words = NULL;
        const size_t size = data_of(module, i, &words);
        for (size_t at = 1; at < size; at++) {
            uintptr_t *here = words[at] == (uintptr_t)methods ? destructor_beside(module, &words[at]) : NULL;
            if (here && found)
                return NULL;
            found = here ? here : found;
        }
    }
    return (void (**)(void *))found;
}

void rw_python_replace_methods(struct rw_python_wanted *wanted, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        if (wanted[i].row)
            __atomic_store_n(&wanted[i].row->function, wanted[i].replacement, __ATOMIC_RELEASE);
    }
}
