/* SPDX-License-Identifier: MIT */
/*
 * The methods of _queue.SimpleQueue (simplequeue_methods in Modules/_queuemodule.c, 3.7 to 3.15): an array
 * that begins with "empty" and has "put_nowait".
 */
#include "shim/python_queues.h"

#include <errno.h>
#include <stdint.h>

#include "shim/lock_order.h"
#include "shim/python_tables.h"
#include "shim/recorder.h"

enum which { GET = 0, GET_NOWAIT, PUT, PUT_NOWAIT, WHICH_COUNT };

/* A get is told its class, and has a word more than other methods; who gets fewer leaves it alone. */
typedef void *method(void *self, void *a, void *b, void *c, void *d);
#define AS(type, function) ((type *)(void (*)(void))(function))

static method get, get_nowait, put, put_nowait;

static struct rw_python_wanted methods[WHICH_COUNT] = {
    [GET] = {"get", AS(rw_python_method, get), true, NULL, NULL, true},
    [GET_NOWAIT] = {"get_nowait", AS(rw_python_method, get_nowait), true, NULL, NULL, true},
    [PUT] = {"put", AS(rw_python_method, put), true, NULL, NULL, true},
    [PUT_NOWAIT] = {"put_nowait", AS(rw_python_method, put_nowait), true, NULL, NULL, true},
};

static void *call(enum which which, void *self, void *a, void *b, void *c, void *d)
{
    return AS(method, methods[which].original)(self, a, b, c, d);
}

static void *take(enum which which, void *self, void *a, void *b, void *c, void *d)
{
    void *item = call(which, self, a, b, c, d);
    if (item)
        rw_order_got(self, NULL);
    return item;
}

static void *get(void *self, void *a, void *b, void *c, void *d)
{
    return take(GET, self, a, b, c, d);
}

static void *get_nowait(void *self, void *a, void *b, void *c, void *d)
{
    return take(GET_NOWAIT, self, a, b, c, d);
}

static void *put(void *self, void *a, void *b, void *c, void *d)
{
    rw_order_hands_on(self);
    return call(PUT, self, a, b, c, d);
}

static void *put_nowait(void *self, void *a, void *b, void *c, void *d)
{
    rw_order_hands_on(self);
    return call(PUT_NOWAIT, self, a, b, c, d);
}

void rw_python_queues_install(const struct rw_elf_module *module)
{
    if (!rw_lock_order_on)
        return;
    if (rw_python_find_methods(module, "empty", methods, WHICH_COUNT))
        rw_python_replace_methods(methods, WHICH_COUNT);
    else
        rw_record_problem(ENOENT, "lock_order",
                          "what SimpleQueues hand on is not known: no table of their methods");
}
