/* SPDX-License-Identifier: MIT */
/*
 * What a thread waits for, in Python's words. The native snapshot knows a futex or a semaphore; here it
 * becomes a lock, an RLock, or what the library made of one, with its name and its owner where they can be
 * known. gil_wait.c has the GIL.
 */
#include "tools/cpython/python.h"

#include <talloc.h>

#include "tools/cpython/code.h"
#include "tools/cpython/gil_wait.h"
#include "tools/cpython/lock_object.h"
#include "tools/cpython/lock_owner.h"
#include "tools/cpython/names.h"
#include "tools/cpython/object.h"
#include "tools/cpython/places.h"
#include "tools/cpython/slots.h"
#include "tools/cpython/with_blocks.h"

static bool is_one_of(const char *kind, const char *const *words)
{
    for (; kind && *words; words++)
        if (!strcmp(kind, *words))
            return true;
    return false;
}

static void own_by_pthread(struct rw_python *py, struct rw_wait_on *wait, uint64_t pthread,
                           enum rw_certainty certainty, const char *how)
{
    int tid = rw_py_tid_of_pthread(py, pthread);
    if (tid > 0) {
        rw_py_set_owner(py, wait, tid, certainty, how);
        return;
    }
    rw_py_set_owner(py, wait, -1, RW_UNKNOWN,
                    pthread ? "it names a thread that is not there any more" : NULL);
    wait->owner.pthread = pthread;
}

static void own_by_with_block(struct rw_python *py, struct rw_wait_on *wait, uint64_t lock)
{
    const char *at = NULL;
    int owner = 0;
    for (size_t i = 0; i < py->stack_count; i++) {
        const char *here = rw_py_with_block(py, py->stacks[i].tid, lock);
        if (!here)
            continue;
        if (owner) { /* two cannot both have it: one has let go of it inside its block */
            rw_py_set_owner(py, wait, -1, RW_UNKNOWN, "several threads have an open `with` block on it");
            return;
        }
        owner = py->stacks[i].tid;
        at = here;
    }
    if (!owner)
        return;
    rw_py_set_owner(py, wait, owner, RW_INFERRED,
                    talloc_asprintf(py->incident, "an open `with` block at %s", at));
    wait->owner.taken_at = at;
}

static void find_owner(struct rw_python *py, struct rw_wait_on *wait, const struct rw_py_lock_object *lock)
{
    struct rw_py_taken taken = {0};
    rw_py_set_owner(py, wait, -1, RW_UNKNOWN, NULL);
    if (!strcmp(lock->kind, "rlock")) {
        own_by_pthread(py, wait, rw_py_rlock_owner(py, lock->address), RW_EXACT, "the RLock's owner field");
    } else if (!strcmp(lock->kind, "lock")) {
        if (!rw_py_recorded_owner(py, lock, &taken))
            own_by_with_block(py, wait, lock->address);
        else if (taken.tid > 0)
            rw_py_set_owner(py, wait, taken.tid, RW_EXACT,
                            "the recording: it took the lock, and nobody has released it since");
        else
            rw_py_set_owner(py, wait, -1, RW_UNKNOWN,
                            "the thread that took it is gone, and another has its number");
    }
    if (wait->owner.tid > 0 && !wait->owner.taken_at)
        wait->owner.taken_at = rw_py_with_block(py, wait->owner.tid, lock->address);
    if (wait->owner.tid > 0 && !wait->owner.taken_at)
        wait->owner.taken_at = taken.at;
}

/* A lock of the library is named as a part of what the program's own frame calls the library's object, or of
 * its type: "cache.condition._lock", "Condition._lock". */
static const char *name_lock(struct rw_python *py, const struct rw_py_stack *stack,
                             const struct rw_py_place *place, uint64_t object)
{
    if (place->user_frame == 0)
        return rw_py_name(py, &stack->frames[0], object);
    uint64_t self = rw_py_local(py, &stack->frames[0], "self");
    const struct rw_py_type *type = rw_py_type_of(py, self);
    const char *outer = NULL, *inner = NULL;
    struct rw_py_pair *pairs;
    size_t count;
    if (!type)
        return rw_py_name(py, &stack->frames[0], object);
    if (place->user_frame < stack->count)
        outer = rw_py_name(py, &stack->frames[place->user_frame], self);
    rw_py_attributes(py, self, &pairs, &count);
    for (size_t i = 0; i < count && !inner; i++)
        if (pairs[i].value == object)
            inner = rw_py_string(py, py->incident, pairs[i].key);
    talloc_free(pairs);
    return inner ? talloc_asprintf(py->incident, "%s.%s", outer ? outer : type->name, inner) : outer;
}

/* --- What the library made of a lock. */

static uint64_t ident_of(struct rw_python *py, uint64_t object, const char *attribute)
{
    int64_t ident;
    return rw_py_integer(py, rw_py_attribute(py, object, attribute), &ident) ? (uint64_t)ident : 0;
}

/* threading._shutdown up to 3.12 waits for the locks of the threads' states: whose is this one? */
static uint64_t thread_with_lock(struct rw_python *py, uint64_t lock)
{
    for (size_t i = 0; i < py->interpreter_count; i++) {
        struct rw_py_pair *active;
        size_t count;
        uint64_t found = 0;
        rw_py_dict(py, rw_py_dict_get(py, py->interpreters[i].threading, "_active"), &active, &count);
        for (size_t t = 0; t < count && !found; t++)
            if (rw_py_attribute(py, active[t].value, "_tstate_lock") == lock)
                found = active[t].value;
        talloc_free(active);
        if (found)
            return found;
    }
    return 0;
}

/* One that has ended, without saying so to whoever joins it; the recording remembers it. A pthread_t is used
 * again only after its thread was joined or, if it was detached, has ended: the last one that had it is
 * meant. */
static void own_by_ended(struct rw_python *py, struct rw_wait_on *wait, uint64_t pthread)
{
    const struct rw_thread *last = NULL;
    for (size_t i = 0; pthread && i < py->process->thread_count; i++) {
        const struct rw_thread *thread = &py->process->threads[i];
        if (thread->pthread == pthread && !thread->is_alive && thread->tid > 0 &&
            (!last || thread->created_ns > last->created_ns))
            last = thread;
    }
    if (last)
        rw_py_set_owner(py, wait, last->tid, RW_EXACT, "the thread that is joined, which has ended");
}

/* A thread that is not among threading's any more, or not yet, but whose Thread another one has at hand. */
static void name_by_object(struct rw_python *py, int tid, uint64_t object)
{
    struct rw_thread *thread = tid > 0 && object ? rw_process_find_thread(py->process, tid) : NULL;
    const char *name;
    if (!thread || (thread->name && !(thread->comm && !strcmp(thread->name, thread->comm))))
        return;
    name = rw_py_string(py, py->incident, rw_py_attribute(py, object, "_name"));
    if (name)
        thread->name = name;
}

static void own_join(struct rw_python *py, struct rw_wait_on *wait, uint64_t thread, uint64_t lock,
                     uint64_t semaphore)
{
    uint64_t pthread = 0;
    if (!thread && lock)
        thread = thread_with_lock(py, lock);
    if (thread) {
        pthread = ident_of(py, thread, "_ident");
        wait->object = thread;
    } else {
        pthread = rw_py_joined_pthread(py, semaphore);
    }
    own_by_pthread(py, wait, pthread, RW_EXACT, "the thread that is joined");
    if (wait->owner.tid <= 0)
        own_by_ended(py, wait, pthread);
    name_by_object(py, wait->owner.tid, thread);
    if (!wait->name && wait->owner.tid > 0) {
        const struct rw_thread *joined = rw_process_find_thread(py->process, wait->owner.tid);
        wait->name = joined && joined->name ? talloc_asprintf(py->incident, "thread %s", joined->name) : NULL;
    }
}

/* Thread.start() makes the thread and waits until it says that it runs. The thread that it made is the last
 * one of this creator's: it can make no other in between, but for what a signal's handler does. */
static void own_start(struct rw_python *py, struct rw_wait_on *wait, uint64_t object, int creator)
{
    struct rw_thread *started = NULL;
    for (size_t i = 0; i < py->process->thread_count; i++) {
        struct rw_thread *thread = &py->process->threads[i];
        if (thread->creator_tid == creator && thread->created_ns &&
            (!started || thread->created_ns > started->created_ns))
            started = thread;
    }
    if (!started || started->tid <= 0)
        return;
    name_by_object(py, started->tid, object);
    rw_py_set_owner(py, wait, started->tid, RW_INFERRED, "the thread that it created last");
}

static void refine_place(struct rw_python *py, struct rw_wait_on *wait, const struct rw_py_stack *stack,
                         const struct rw_py_place *place, uint64_t lock)
{
    uint64_t semaphore = wait->object;
    wait->kind = place->kind;
    wait->call = place->call;
    wait->object = place->object;
    wait->name = NULL;
    if (place->object && place->user_frame < stack->count)
        wait->name = rw_py_name(py, &stack->frames[place->user_frame], place->object);
    rw_py_set_owner(py, wait, -1, RW_UNKNOWN, NULL);
    if (!strcmp(place->kind, "thread-join")) {
        own_join(py, wait, place->object, lock, semaphore);
    } else if (!strcmp(place->kind, "thread-start")) {
        own_start(py, wait, place->object, stack->tid);
    } else if (!strcmp(place->kind, "import-lock")) {
        own_by_pthread(py, wait, ident_of(py, place->object, "owner"), RW_EXACT,
                       "the module lock's owner field");
        const char *module = rw_py_string(py, py->incident, rw_py_attribute(py, place->object, "name"));
        wait->name = module ? talloc_asprintf(py->incident, "the import of %s", module) : NULL;
    }
}

static const char *evidence(struct rw_python *py, const struct rw_thread *thread,
                            const struct rw_py_stack *stack)
{
    return talloc_asprintf(py->incident, "Python frame %s:%d", rw_py_code_base(stack->frames[0].code),
                           thread->python[0].line);
}

static void refine_lock(struct rw_python *py, struct rw_thread *thread, const struct rw_py_stack *stack)
{
    static const char *const kinds[] = {"futex", "semaphore", NULL};
    struct rw_wait_on *wait = thread->waits_on;
    if (!is_one_of(wait->kind, kinds) || stack->frames[0].is_torn)
        return;
    struct rw_py_lock_object lock = rw_py_lock_object(py, &stack->frames[0], wait->object);
    struct rw_py_place place = rw_py_place_of(py, stack, lock.address);
    if (place.kind) {
        refine_place(py, wait, stack, &place, lock.address);
        wait->evidence = evidence(py, thread, stack);
    } else if (lock.address) {
        wait->kind = lock.kind;
        wait->call = lock.call;
        wait->object = lock.address;
        wait->name = name_lock(py, stack, &place, lock.address);
        find_owner(py, wait, &lock);
        wait->evidence = evidence(py, thread, stack);
    } else if (wait->owner.tid == thread->tid) {
        /* CPython's C code signals with semaphores that the waiter took itself: having taken it does not make
         * the waiter the one who will post it. */
        rw_py_set_owner(py, wait, -1, RW_UNKNOWN, NULL);
    }
}

void rw_py_refine_waits(struct rw_python *py)
{
    rw_py_find_withs(py);
    rw_py_find_woken(py);
    for (size_t i = 0; i < py->stack_count && i < py->process->thread_count; i++) {
        struct rw_thread *thread = &py->process->threads[i];
        const struct rw_py_stack *stack = &py->stacks[i];
        if (!rw_py_refine_finalisation(py, thread) && thread->waits_on && !rw_py_refine_gil(py, thread) &&
            stack->count && stack->count == thread->python_count)
            refine_lock(py, thread, stack);
    }
}
