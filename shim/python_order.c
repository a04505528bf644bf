/* SPDX-License-Identifier: MIT */
/*
 * RLocks, the end of both kinds of lock, and the joins that Python makes by a lock.
 *
 * The methods of _thread.RLock (rlock_methods in Modules/_threadmodule.c) are the array that begins with
 * "acquire" and has "_acquire_restore".
 *
 * Up to 3.12 threading's threads are detached, and Thread.join() takes a lock instead that the thread's end
 * releases: the one that _thread._set_sentinel() made in that thread. Whoever takes it knows that the thread
 * is over.
 */
#include "shim/python_order.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/lock_order.h"
#include "shim/perturb_steer.h"
#include "shim/python_api.h"
#include "shim/recorder.h"
#include "shim/self.h"

enum which {
    ACQUIRE = 0,
    ENTER,
    ACQUIRE_RESTORE,
    RELEASE,
    EXIT,
    RELEASE_SAVE,
    AT_FORK_REINIT,
    IS_OWNED,
    WHICH_COUNT
};

static rw_python_method acquire, enter, acquire_restore, release, leave, release_save, at_fork_reinit,
    is_owned, set_sentinel;

static struct rw_python_wanted methods[WHICH_COUNT] = {
    [ACQUIRE] = {"acquire", acquire, true, NULL, NULL, false},
    [ENTER] = {"__enter__", enter, true, NULL, NULL, false},
    [ACQUIRE_RESTORE] = {"_acquire_restore", acquire_restore, true, NULL, NULL, false},
    [RELEASE] = {"release", release, true, NULL, NULL, false},
    [EXIT] = {"__exit__", leave, true, NULL, NULL, false},
    [RELEASE_SAVE] = {"_release_save", release_save, true, NULL, NULL, false},
    [AT_FORK_REINIT] = {"_at_fork_reinit", at_fork_reinit, false, NULL, NULL, false}, /* since 3.9 */
    [IS_OWNED] = {"_is_owned", is_owned, true, NULL, NULL, false},
};
static struct rw_python_wanted sentinel[] = {{"_set_sentinel", set_sentinel, true, NULL, NULL, false}};

static void (*lock_destructor)(void *self), (*rlock_destructor)(void *self);
static const void *py_true;

/* Threads that can be joined so, by hash of the lock; one that found another in its place cannot. */
#define TOKENS 1024u
static struct token {
    uint64_t lock; /* atomic */
    int32_t tid;
} tokens[TOKENS];

static struct token *token_of(const void *lock)
{
    return &tokens[((uint64_t)lock >> 4 ^ (uint64_t)lock >> 14) % TOKENS];
}

static void *set_sentinel(void *self, void *a, void *b, void *c)
{
    void *lock = sentinel[0].original(self, a, b, c);
    if (lock) {
        struct token *token = token_of(lock);
        token->tid = rw_self_tid(&rw_self);
        __atomic_store_n(&token->lock, (uint64_t)lock, __ATOMIC_RELEASE);
    }
    return lock;
}

void rw_python_order_taken(const void *lock, unsigned how, const struct rw_python_place *place)
{
    struct token *token = token_of(lock);
    if (__atomic_load_n(&token->lock, __ATOMIC_ACQUIRE) == (uint64_t)lock) {
        rw_order_joined_tid(token->tid);
        return;
    }
    rw_order_python_taken(lock, how, place->code + place->instruction, rw_python_functions());
}

bool rw_python_waits_for_ever(const struct rw_python_row *row, void *a, const void *b, const void *c)
{
    if (row->flags & RW_PYTHON_FASTCALL) {
        void *const *arguments = a;
        const int64_t count = (int64_t)(intptr_t)b;
        return !(row->flags & RW_PYTHON_KEYWORDS && c) &&
               (count == 0 || (count == 1 && arguments[0] == py_true));
    }
    if (!(row->flags & RW_PYTHON_VARARGS) || (row->flags & RW_PYTHON_KEYWORDS && b))
        return false;
    const int64_t count = rw_python_tuple_length(a);
    return count == 0 || (count == 1 && rw_python_tuple_item(a, 0) == py_true);
}

static void *take(enum which which, bool waits, void *self, void *a, void *b, void *c)
{
    if (rw_steer_is_on)
        rw_steer_at_python();
    void *result = methods[which].original(self, a, b, c);
    if (which == ACQUIRE_RESTORE ? result != NULL : result == py_true) {
        const struct rw_python_place place = rw_python_place();
        rw_order_python_taken(self, RW_LOCK_RECURSIVE | (waits ? RW_LOCK_EXCLUSIVE : RW_LOCK_BY_TRYING),
                              place.code + place.instruction, rw_python_functions());
    }
    return result;
}

static void *acquire(void *self, void *a, void *b, void *c)
{
    return take(ACQUIRE, rw_python_waits_for_ever(methods[ACQUIRE].row, a, b, c), self, a, b, c);
}

static void *enter(void *self, void *a, void *b, void *c)
{
    return take(ENTER, true, self, a, b, c);
}

static void *acquire_restore(void *self, void *a, void *b, void *c)
{
    return take(ACQUIRE_RESTORE, true, self, a, b, c);
}

static void *release(void *self, void *a, void *b, void *c)
{
    rw_order_python_given(self, RW_LOCK_RECURSIVE, false);
    return methods[RELEASE].original(self, a, b, c);
}

static void *leave(void *self, void *a, void *b, void *c)
{
    rw_order_python_given(self, RW_LOCK_RECURSIVE, false);
    return methods[EXIT].original(self, a, b, c);
}

static void *release_save(void *self, void *a, void *b, void *c)
{
    rw_order_python_given(self, RW_LOCK_RECURSIVE, true);
    return methods[RELEASE_SAVE].original(self, a, b, c);
}

static void *at_fork_reinit(void *self, void *a, void *b, void *c)
{
    rw_order_python_renewed(self);
    return methods[AT_FORK_REINIT].original(self, a, b, c);
}

static void *is_owned(void *self, void *a, void *b, void *c)
{
    void *result = methods[IS_OWNED].original(self, a, b, c);
    if (result == py_true)
        rw_order_python_asked(self);
    return result;
}

static void gone(const void *lock)
{
    uint64_t address = (uint64_t)lock;
    __atomic_compare_exchange_n(&token_of(lock)->lock, &address, 0, false, __ATOMIC_RELAXED,
                                __ATOMIC_RELAXED);
    rw_order_python_renewed(lock);
    rw_order_gone(lock);
}

static void destroy_lock(void *self)
{
    gone(self);
    lock_destructor(self);
}

static void destroy_rlock(void *self)
{
    gone(self);
    rlock_destructor(self);
}

/* Without its destructor a lock could not be told from another one at its address later. */
static bool replace_destructor(const struct rw_elf_module *module, const struct rw_python_row *table,
                               void (**original)(void *), void (*replacement)(void *))
{
    void (**place)(void *) = rw_python_find_destructor(module, table);
    if (!place)
        return false;
    *original = *place;
    __atomic_store_n(place, replacement, __ATOMIC_RELEASE);
    return true;
}

bool rw_python_order_install(const struct rw_elf_module *module, const struct rw_python_row *table,
                             const void *truth)
{
    py_true = truth;
    const struct rw_python_row *recursive =
        truth ? rw_python_find_methods(module, "acquire", methods, WHICH_COUNT) : NULL;
    const bool has_locks = table && replace_destructor(module, table, &lock_destructor, destroy_lock);
    if (!has_locks)
        rw_record_problem(ENOENT, "lock_order",
                          "the order of threading.Locks is not known: no table of theirs");
    if (!recursive || !replace_destructor(module, recursive, &rlock_destructor, destroy_rlock))
        rw_record_problem(ENOENT, "lock_order", "the order of RLocks is not known: no table of theirs");
    else
        rw_python_replace_methods(methods, WHICH_COUNT);
    /* Not there from 3.13 on, where threads are joined by libc's call. */
    if (rw_python_find_methods(module, "_set_sentinel", sentinel, 1))
        rw_python_replace_methods(sentinel, 1);
    return has_locks;
}
