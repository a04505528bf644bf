/* SPDX-License-Identifier: MIT */
/*
 * _thread.lock's methods are a static array of PyMethodDef in Python's data (lock_methods in
 * Modules/_threadmodule.c, 3.6 to 3.15). Descriptors, bound methods and the interpreter's specialised calls
 * keep a pointer to the row and read its function at each call, in every interpreter; nobody keeps the
 * function. So the array can be changed when the library is loaded: before Python runs, and without the GIL,
 * which nobody has yet. It has no exported name. It is found by what no other array has: a row named
 * "acquire_lock".
 *
 * Every calling convention passes at most four words in registers, so one function stands in for all of them.
 */
#include "shim/python_locks.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "shim/lock_table.h"
#include "shim/python_place.h"
#include "shim/recorder.h"

typedef void *method(void *self, void *a, void *b, void *c);

/* PyMethodDef, the same in all versions. */
struct row {
    const char *name;
    method *function;
    int flags;
    const char *doc;
};

/* METH_METHOD passes more, METH_CLASS and METH_STATIC something else first; METH_COEXIST is harmless. */
#define FLAGS_KNOWN (0x0001 | 0x0002 | 0x0004 | 0x0008 | 0x0040 | 0x0080)
#define ROWS_MAX 32u

enum which { ACQUIRE_LOCK = 0, ACQUIRE, ENTER, RELEASE_LOCK, RELEASE, EXIT, AT_FORK_REINIT, WHICH_COUNT };

static method *originals[WHICH_COUNT];
static const void *py_true;

static void *take(enum which which, void *self, void *a, void *b, void *c)
{
    const void *outer = rw_lock_acquire_begins(self);
    void *result = originals[which](self, a, b, c);
    rw_lock_acquire_ends(outer);
    if (result == py_true) {
        const struct rw_python_place place = rw_python_place();
        rw_lock_taken(self, place.code, place.instruction);
    }
    return result;
}

static void *acquire_lock(void *self, void *a, void *b, void *c)
{
    return take(ACQUIRE_LOCK, self, a, b, c);
}

static void *acquire(void *self, void *a, void *b, void *c)
{
    return take(ACQUIRE, self, a, b, c);
}

static void *enter(void *self, void *a, void *b, void *c)
{
    return take(ENTER, self, a, b, c);
}

static void *release_lock(void *self, void *a, void *b, void *c)
{
    rw_lock_given(self);
    return originals[RELEASE_LOCK](self, a, b, c);
}

static void *release(void *self, void *a, void *b, void *c)
{
    rw_lock_given(self);
    return originals[RELEASE](self, a, b, c);
}

static void *leave(void *self, void *a, void *b, void *c)
{
    rw_lock_given(self);
    return originals[EXIT](self, a, b, c);
}

static void *at_fork_reinit(void *self, void *a, void *b, void *c)
{
    rw_lock_given(self);
    return originals[AT_FORK_REINIT](self, a, b, c);
}

static const struct {
    const char *name;
    method *replacement;
    int is_required;
} methods[WHICH_COUNT] = {
    [ACQUIRE_LOCK] = {"acquire_lock", acquire_lock, 1},
    [ACQUIRE] = {"acquire", acquire, 1},
    [ENTER] = {"__enter__", enter, 1},
    [RELEASE_LOCK] = {"release_lock", release_lock, 1},
    [RELEASE] = {"release", release, 1},
    [EXIT] = {"__exit__", leave, 1},
    [AT_FORK_REINIT] = {"_at_fork_reinit", at_fork_reinit, 0}, /* since 3.9 */
};

/* Whether `name` is at `address`, in what the module's file has there. */
static int is_string(const struct rw_elf_module *module, uintptr_t address, const char *name)
{
    const size_t size = strlen(name) + 1;
    const Elf64_Phdr *segment = rw_elf_module_segment(module, address, size);
    return segment && (segment->p_flags & PF_R) && memcmp((const void *)address, name, size) == 0;
}

static int is_code(const struct rw_elf_module *module, uintptr_t address)
{
    const Elf64_Phdr *segment = rw_elf_module_segment(module, address, 1);
    return segment && (segment->p_flags & PF_X);
}

struct found {
    struct row *rows[WHICH_COUNT];
};

/* The rows of the array that begins at `first`; false where it is not all that it should be. */
static int read_rows(const struct rw_elf_module *module, struct row *first, struct found *found)
{
    memset(found, 0, sizeof *found);
    for (struct row *row = first; row < first + ROWS_MAX; row++) {
        if (!rw_elf_module_segment(module, (uintptr_t)row, sizeof *row))
            return 0;
        if (!row->name)
            break;
        for (enum which i = 0; i < WHICH_COUNT; i++) {
            if (!is_string(module, (uintptr_t)row->name, methods[i].name))
                continue;
            if (found->rows[i] || (row->flags & ~FLAGS_KNOWN) || !is_code(module, (uintptr_t)row->function) ||
                rw_elf_module_is_relro(module, (uintptr_t)row))
                return 0;
            found->rows[i] = row;
        }
    }
    for (enum which i = 0; i < WHICH_COUNT; i++) {
        if (methods[i].is_required && !found->rows[i])
            return 0;
    }
    return 1;
}

/* How many such arrays the module's data have; `found` is of the last one. "acquire_lock" has been the first
 * row in all versions. */
static unsigned find(const struct rw_elf_module *module, struct found *found)
{
    unsigned count = 0;
    for (size_t i = 0; i < module->segment_count; i++) {
        const Elf64_Phdr *segment = &module->segments[i];
        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_W) ||
            segment->p_filesz < sizeof(struct row))
            continue;
        const uintptr_t begin = (module->base + segment->p_vaddr + 7) & ~(uintptr_t)7;
        const uintptr_t end = module->base + segment->p_vaddr + segment->p_filesz - sizeof(struct row);
        for (uintptr_t at = begin; at <= end; at += 8) {
            const struct row *row = (const struct row *)at;
            struct found here;
            /* The name alone would do; its neighbours tell most words apart without looking at it. */
            if (!row->name || !row->function || (row->flags & ~FLAGS_KNOWN) || !row->flags)
                continue;
            if (is_string(module, (uintptr_t)row->name, methods[ACQUIRE_LOCK].name) &&
                read_rows(module, (struct row *)at, &here)) {
                *found = here;
                count++;
            }
        }
    }
    return count;
}

void rw_python_locks_install(const struct rw_elf_module *module)
{
    struct found found;
    if (!rw_lock_table_is_on())
        return;
    py_true = (const void *)rw_elf_data_defining("_Py_TrueStruct");
    if (!py_true || find(module, &found) != 1) {
        rw_record_problem(ENOENT, "lock_owners",
                          "owners of threading.Lock are not recorded: no table of its methods");
        return;
    }
    rw_python_place_load(module);
    for (enum which i = 0; i < WHICH_COUNT; i++)
        originals[i] = found.rows[i] ? found.rows[i]->function : NULL;
    /* Releases first: a lock whose taking was recorded is then never released unseen. */
    for (enum which i = WHICH_COUNT; i-- > 0;) {
        if (found.rows[i])
            __atomic_store_n(&found.rows[i]->function, methods[i].replacement, __ATOMIC_RELEASE);
    }
}
