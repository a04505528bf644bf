/* SPDX-License-Identifier: MIT */
/*
 * asyncio's tasks. Up to 3.13 asyncio.tasks has a WeakSet of all of them, and from 3.12 a set of eager ones.
 * From 3.14 they are in lists, one of each thread state and one of the interpreter for threads that have
 * ended; where the heads and the links are is in the section .AsyncioDebug (Modules/_asynciomodule.c). Tasks
 * of other classes are in the WeakSet still.
 *
 * A C Task has its future's fields first, of which the first is the loop; then what it waits for, its
 * coroutine and its name, side by side in every version. Its coroutine is the first field that is one. From
 * 3.11 it counts how often it was cancelled (task_num_cancels_requested): 4 words behind its coroutine, from
 * 3.13 on 2 words before it, in the lower half (TaskObj in Modules/_asynciomodule.c).
 */
#include "tools/cpython/tasks.h"

#include <talloc.h>

#include "tools/cpython/object.h"

#define TASK_FIELDS_MAX 48u

/* From 3.14: sizes are left out here. */
struct debug_offsets {
    uint64_t task_size, name, awaited_by, is_task, awaited_by_is_set, coroutine, node;
    uint64_t interpreter_size, interpreter_head;
    uint64_t thread_size, running_loop, running_task, thread_head;
};

static bool is_c_task(struct rw_python *py, uint64_t object)
{
    return rw_py_is_kind_of(py, object, "_asyncio.Task");
}

static uint64_t loop_pthread(struct rw_python *py, uint64_t loop)
{
    int64_t ident;
    return rw_py_integer(py, rw_py_attribute(py, loop, "_thread_id"), &ident) ? (uint64_t)ident : 0;
}

/* Where a C task has its coroutine: 0 until one is met that still has it. */
static size_t coroutine_at(struct rw_python *py, const uint64_t *fields, size_t count)
{
    for (size_t i = 1; i + 1 < count; i++)
        if (fields[i] % 8 == 0 && fields[i] > 4096 && rw_py_is_coroutine(py, fields[i]))
            return i;
    return 0;
}

/* Whether the word in its fields that has the count says that it was cancelled. */
static const char *cancelled(const struct rw_python *py, const uint64_t *fields, size_t count,
                             size_t coroutine)
{
    size_t at = py->layout.minor >= 13 ? coroutine - 2 : coroutine + 4;

    return py->layout.minor >= 11 && at < count && (uint32_t)fields[at] != 0 ? "asked" : NULL;
}

static void add_c_task(struct rw_python *py, struct rw_py_tasks *tasks, struct rw_py_task task)
{
    const struct rw_py_type *type = rw_py_type_of(py, task.address);
    uint64_t fields[TASK_FIELDS_MAX];
    if (!type || type->basic_size <= py->layout.object.size)
        return;
    size_t count = (type->basic_size - py->layout.object.size) / 8;
    if (count > TASK_FIELDS_MAX)
        count = TASK_FIELDS_MAX;
    if (rw_py_read_kept(py, task.address + py->layout.object.size, fields, count * 8))
        return;
    size_t at = coroutine_at(py, fields, count);
    if (!at) /* done */
        return;
    task.coroutine = fields[at];
    task.name = fields[at + 1];
    task.waiter = fields[at - 1];
    task.is_waiting = task.waiter != 0;
    task.pthread = loop_pthread(py, fields[0]);
    task.cancelled = cancelled(py, fields, count, at);
    rw_py_add_task(py, tasks, &task);
}

/* Tasks written in Python have the same under names. */
static void add_task(struct rw_python *py, struct rw_py_tasks *tasks, const struct rw_py_interpreter *in,
                     uint64_t object)
{
    struct rw_py_task task = {.library = "asyncio", .address = object, .interpreter = in->id};
    if (is_c_task(py, object)) {
        add_c_task(py, tasks, task);
        return;
    }
    task.coroutine = rw_py_attribute(py, object, "_coro");
    task.name = rw_py_attribute(py, object, "_name");
    task.waiter = rw_py_attribute(py, object, "_fut_waiter");
    if (rw_py_is(py, task.waiter, "NoneType"))
        task.waiter = 0;
    task.is_waiting = task.waiter != 0;
    task.pthread = loop_pthread(py, rw_py_attribute(py, object, "_loop"));
    int64_t cancels;
    if (rw_py_integer(py, rw_py_attribute(py, object, "_num_cancels_requested"), &cancels) && cancels > 0)
        task.cancelled = "asked";
    if (rw_py_is_coroutine(py, task.coroutine))
        rw_py_add_task(py, tasks, &task);
}

static void add_set(struct rw_python *py, struct rw_py_tasks *tasks, const struct rw_py_interpreter *in,
                    uint64_t set, bool is_weak)
{
    uint64_t *elements;
    size_t count;
    if (!rw_py_set(py, set, &elements, &count)) {
        tasks->is_unreadable = true;
        return;
    }
    for (size_t i = 0; i < count; i++) /* a weak reference has its object first */
        add_task(py, tasks, in,
                 is_weak ? rw_py_kept_word(py, elements[i] + py->layout.object.size) : elements[i]);
    talloc_free(elements);
}

static void add_sets(struct rw_python *py, struct rw_py_tasks *tasks, const struct rw_py_interpreter *in)
{
    static const char *const weak[] = {"_all_tasks", "_scheduled_tasks"}; /* up to 3.11, from 3.12 */
    uint64_t module = rw_py_module_dict(py, in, "asyncio.tasks");
    for (size_t i = 0; module && i < sizeof weak / sizeof weak[0]; i++) {
        uint64_t set = rw_py_dict_get(py, module, weak[i]);
        if (set)
            add_set(py, tasks, in, rw_py_attribute(py, set, "data"), true);
    }
    uint64_t eager = module ? rw_py_dict_get(py, module, "_eager_tasks") : 0;
    if (eager)
        add_set(py, tasks, in, eager, false);
}

/* A ring of {next, previous} in the tasks, closed by the head. */
static void add_list(struct rw_python *py, struct rw_py_tasks *tasks, const struct rw_py_interpreter *in,
                     uint64_t head, uint64_t node_at)
{
    uint64_t node = rw_py_kept_word(py, head);
    for (size_t i = 0; node && node != head && i <= RW_PY_TASKS_MAX; i++) {
        if (!is_c_task(py, node - node_at)) { /* it was unlinked as we came */
            tasks->is_unreadable = true;
            return;
        }
        add_task(py, tasks, in, node - node_at);
        node = rw_py_kept_word(py, node);
    }
}

static void add_lists(struct rw_python *py, struct rw_py_tasks *tasks, const struct debug_offsets *offsets)
{
    for (size_t i = 0; i < py->interpreter_count; i++) {
        const struct rw_py_interpreter *in = &py->interpreters[i];
        if (rw_py_module_dict(py, in, "asyncio.tasks"))
            add_list(py, tasks, in, in->address + offsets->interpreter_head, offsets->node);
    }
    for (size_t i = 0; i < py->state_count; i++) {
        const struct rw_py_interpreter *in = rw_py_interpreter_of(py, py->states[i].interpreter_id);
        if (in && rw_py_module_dict(py, in, "asyncio.tasks"))
            add_list(py, tasks, in, py->states[i].address + offsets->thread_head, offsets->node);
    }
}

void rw_py_find_asyncio_tasks(struct rw_python *py, struct rw_py_tasks *tasks)
{
    struct debug_offsets offsets;
    uint64_t section, size;
    bool has_asyncio = false;
    for (size_t i = 0; i < py->interpreter_count; i++) {
        has_asyncio = has_asyncio || rw_py_module_dict(py, &py->interpreters[i], "asyncio.tasks");
        add_sets(py, tasks, &py->interpreters[i]);
    }
    if (!has_asyncio || py->layout.minor < 14)
        return;
    if (rw_symbols_section(py->symbols, NULL, ".AsyncioDebug", &section, &size) || size < sizeof offsets ||
        rw_py_read(py, section, &offsets, sizeof offsets) || offsets.task_size > 4096 ||
        offsets.node > offsets.task_size || offsets.thread_head > offsets.thread_size ||
        offsets.interpreter_head > offsets.interpreter_size)
        tasks->is_unreadable = true;
    else
        add_lists(py, tasks, &offsets);
}
