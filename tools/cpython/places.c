/* SPDX-License-Identifier: MIT */
/*
 * Two tables. The first: which function of the library, blocked in which lock, does not want that lock but an
 * event: the lock is one that it made, or that was made for it, and took itself, to be released by whoever
 * has news. Nobody owns such a lock in any useful sense. The second: on behalf of which object a condition is
 * waited for.
 */
#include "tools/cpython/places.h"

#include <talloc.h>

#include "tools/cpython/code.h"
#include "tools/cpython/object.h"
#include "tools/cpython/slots.h"

#define FROZEN_IMPORT "<frozen importlib._bootstrap>"

enum lock_is { LOCAL, ATTRIBUTE, NOT_AN_OBJECT };

static const struct {
    const char *file, *function, *class_name;
    enum lock_is lock_is;
    const char *lock_name; /* of the local, or of self's attribute */
    const char *kind, *call;
} places[] = {
    {"threading.py", "wait", "Condition", LOCAL, "waiter", "python-condition", "Condition.wait"},
    {"threading.py", "_wait_for_tstate_lock", "Thread", ATTRIBUTE, "_tstate_lock", "thread-join",
     "Thread.join"},
    {"threading.py", "_wait_for_tstate_lock", "Thread", LOCAL, "lock", "thread-join", "Thread.join"},
    {"threading.py", "join", "Thread", NOT_AN_OBJECT, NULL, "thread-join", "Thread.join"},          /* 3.13 */
    {"threading.py", "_shutdown", NULL, NOT_AN_OBJECT, NULL, "thread-join", "threading._shutdown"}, /* 3.13 */
    {"threading.py", "_shutdown", NULL, LOCAL, "lock", "thread-join", "threading._shutdown"},
    {FROZEN_IMPORT, "acquire", "_ModuleLock", ATTRIBUTE, "wakeup", "import-lock", "import"},
};

static const struct {
    const char *file, *function, *class_name;
    const char *kind, *call;
} callers[] = {
    {"threading.py", "wait", "Condition", "python-condition", "Condition.wait"},
    {"threading.py", "wait_for", "Condition", "python-condition", "Condition.wait_for"},
    {"threading.py", "wait", "Event", "event", "Event.wait"},
    {"threading.py", "start", "Thread", "thread-start", "Thread.start"},
    {"threading.py", "acquire", "Semaphore", "python-semaphore", "Semaphore.acquire"},
    {"threading.py", "wait", "Barrier", "barrier", "Barrier.wait"},
    {"queue.py", "get", "Queue", "queue", "Queue.get"},
    {"queue.py", "put", "Queue", "queue", "Queue.put"},
    {"queue.py", "join", "Queue", "queue", "Queue.join"},
    {"_base.py", "result", "Future", "python-condition", "Future.result"},
    {"_base.py", "exception", "Future", "python-condition", "Future.exception"},
};

/* Library code between a place and its caller: passed through. */
static const char *const library[] = {"threading.py", "queue.py", FROZEN_IMPORT};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static bool is_library(const struct rw_py_frame *frame)
{
    const char *base = rw_py_code_base(frame->code);
    for (size_t i = 0; i < COUNT(library); i++)
        if (!strcmp(base, library[i]))
            return true;
    return false;
}

/* A function of the library, by file, name and the class of its `self`: the program may have files and
 * functions of those names too. */
static bool is_function(struct rw_python *py, const struct rw_py_frame *frame, const char *file,
                        const char *function, const char *class_name, uint64_t *self)
{
    const struct rw_py_code *code = frame->code;
    *self = 0;
    if (!code->function || strcmp(code->function, function) || strcmp(rw_py_code_base(code), file))
        return false;
    if (!class_name)
        return true;
    *self = rw_py_local(py, frame, "self");
    return rw_py_is_kind_of(py, *self, class_name);
}

static bool is_that_lock(struct rw_python *py, const struct rw_py_frame *frame, size_t place, uint64_t self,
                         uint64_t lock)
{
    switch (places[place].lock_is) {
    case LOCAL:
        return lock && rw_py_local(py, frame, places[place].lock_name) == lock;
    case ATTRIBUTE:
        return lock && rw_py_attribute(py, self, places[place].lock_name) == lock;
    case NOT_AN_OBJECT:
        return !lock && py->layout.minor >= 13;
    }
    return false;
}

static size_t first_user_frame(const struct rw_py_stack *stack, size_t from)
{
    while (from < stack->count && is_library(&stack->frames[from]))
        from++;
    return from;
}

struct rw_py_place rw_py_place_of(struct rw_python *py, const struct rw_py_stack *stack, uint64_t lock)
{
    struct rw_py_place found = {0};
    uint64_t self;
    size_t p = 0;
    if (!stack->count)
        return found;
    while (p < COUNT(places) && !(is_function(py, &stack->frames[0], places[p].file, places[p].function,
                                              places[p].class_name, &self) &&
                                  is_that_lock(py, &stack->frames[0], p, self, lock)))
        p++;
    found.user_frame = first_user_frame(stack, 0);
    if (p == COUNT(places))
        return found;
    found.kind = places[p].kind;
    found.call = places[p].call;
    found.object = self;
    if (p != 0) /* only a condition is waited for on behalf of others */
        return found;
    for (size_t i = 1; i < stack->count; i++) {
        size_t c = 0;
        while (c < COUNT(callers) && !is_function(py, &stack->frames[i], callers[c].file, callers[c].function,
                                                  callers[c].class_name, &self))
            c++;
        if (c < COUNT(callers)) {
            found.kind = callers[c].kind;
            found.call = callers[c].call;
            found.object = self;
            found.user_frame = first_user_frame(stack, i + 1);
        } else if (!is_library(&stack->frames[i])) {
            break;
        }
    }
    return found;
}
