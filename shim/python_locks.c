/* SPDX-License-Identifier: MIT */
/*
 * The methods of _thread.lock are found by what no other array has (lock_methods in Modules/_threadmodule.c,
 * 3.6 to 3.15): a row named "acquire_lock", which has been the first one in all versions.
 */
#include "shim/python_locks.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "shim/lock_order.h"
#include "shim/lock_table.h"
#include "shim/perturb_steer.h"
#include "shim/python_order.h"
#include "shim/python_place.h"
#include "shim/python_tables.h"
#include "shim/recorder.h"

enum which { ACQUIRE_LOCK = 0, ACQUIRE, ENTER, RELEASE_LOCK, RELEASE, EXIT, AT_FORK_REINIT, WHICH_COUNT };

static rw_python_method acquire_lock, acquire, enter, release_lock, release, leave, at_fork_reinit;

static struct rw_python_wanted methods[WHICH_COUNT] = {
    [ACQUIRE_LOCK] = {"acquire_lock", acquire_lock, true, NULL, NULL, false},
    [ACQUIRE] = {"acquire", acquire, true, NULL, NULL, false},
    [ENTER] = {"__enter__", enter, true, NULL, NULL, false},
    [RELEASE_LOCK] = {"release_lock", release_lock, true, NULL, NULL, false},
    [RELEASE] = {"release", release, true, NULL, NULL, false},
    [EXIT] = {"__exit__", leave, true, NULL, NULL, false},
    [AT_FORK_REINIT] = {"_at_fork_reinit", at_fork_reinit, false, NULL, NULL, false}, /* since 3.9 */
};

static bool has_owners, has_order;
static const void *py_true;

static void *take(enum which which, void *self, void *a, void *b, void *c)
{
    if (rw_steer_is_on)
        rw_steer_at_python();
    const void *outer = has_owners ? rw_lock_acquire_begins(self) : NULL;
    void *result = methods[which].original(self, a, b, c);
    if (has_owners)
        rw_lock_acquire_ends(outer);
    if (result == py_true) {
        const struct rw_python_place place = rw_python_place();
        if (has_owners)
            rw_lock_taken(self, place.code, place.instruction);
        if (has_order)
            rw_python_order_taken(self,
                                  which == ENTER || rw_python_waits_for_ever(methods[which].row, a, b, c)
                                      ? RW_LOCK_EXCLUSIVE
                                      : RW_LOCK_BY_TRYING,
                                  &place);
    } else if (has_order && result) {
        rw_order_python_asked(self);
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

static void give(const void *self)
{
    if (has_owners)
        rw_lock_given(self);
    if (has_order)
        rw_order_python_given(self, RW_LOCK_EXCLUSIVE, false);
}

static void *release_lock(void *self, void *a, void *b, void *c)
{
    give(self);
    return methods[RELEASE_LOCK].original(self, a, b, c);
}

static void *release(void *self, void *a, void *b, void *c)
{
    give(self);
    return methods[RELEASE].original(self, a, b, c);
}

static void *leave(void *self, void *a, void *b, void *c)
{
    give(self);
    return methods[EXIT].original(self, a, b, c);
}

static void *at_fork_reinit(void *self, void *a, void *b, void *c)
{
    if (has_owners)
        rw_lock_given(self);
    if (has_order)
        rw_order_python_renewed(self);
    return methods[AT_FORK_REINIT].original(self, a, b, c);
}

void rw_python_locks_install(const struct rw_elf_module *module)
{
    has_owners = rw_lock_table_is_on();
    if (!has_owners && !rw_lock_order_on)
        return;
    py_true = (const void *)rw_elf_data_defining("_Py_TrueStruct");
    const struct rw_python_row *table =
        py_true ? rw_python_find_methods(module, "acquire_lock", methods, WHICH_COUNT) : NULL;
    if (has_owners && !table)
        rw_record_problem(ENOENT, "lock_owners",
                          "owners of threading.Lock are not recorded: no table of its methods");
    rw_python_place_load(module);
    has_order = rw_lock_order_on && rw_python_order_install(module, table, py_true);
    /* Releases first: a lock whose taking was recorded is then never released unseen. */
    if (table)
        rw_python_replace_methods(methods, WHICH_COUNT);
}
