/* SPDX-License-Identifier: MIT */
/*
 * Tasks of event loops: which one runs in which thread, and where the others wait. A task runs where its
 * coroutine's frame is on a thread's stack. The others' chains of awaits are read twice, like stacks: a loop
 * that runs changes them.
 */
#include "tools/cpython/tasks.h"

#include <stdlib.h>

#include <talloc.h>

#include "tools/cpython/code.h"
#include "tools/cpython/object.h"
#include "tools/cpython/task_waits.h"

#define GATHERED_MAX 256u /* of those that one gather() waits for */

void rw_py_add_task(struct rw_python *py, struct rw_py_tasks *tasks, const struct rw_py_task *task)
{
    for (size_t i = 0; i < tasks->count; i++)
        if (tasks->items[i].address == task->address)
            return;
    tasks->is_cut = tasks->count == RW_PY_TASKS_MAX;
    if (tasks->is_cut)
        return;
    if (tasks->count % 64 == 0)
        tasks->items = talloc_realloc(py->scratch, tasks->items, struct rw_py_task, tasks->count + 64);
    if (!tasks->items)
        abort();
    tasks->items[tasks->count++] = *task;
}

static const char *name_of(struct rw_python *py, uint64_t name)
{
    int64_t number;
    if (rw_py_integer(py, name, &number)) /* from 3.12 a name that nobody has asked for is a number yet */
        return talloc_asprintf(py->incident, "Task-%lld", (long long)number);
    return rw_py_string(py, py->incident, name);
}

/* The stack on which the frame is, and where on it; NULL if on none. */
static const struct rw_py_state *find_running(const struct rw_python *py, uint64_t frame, size_t *index)
{
    for (size_t i = 0; frame && i < py->state_count; i++)
        for (size_t f = 0; f < py->states[i].frame_count; f++)
            if (py->states[i].frames[f].address == frame) {
                *index = f;
                return &py->states[i];
            }
    return NULL;
}

/* Innermost first, of frames that are in either order. */
static void fill_frames(struct rw_python *py, struct rw_task *out, const struct rw_py_frame *frames,
                        size_t count, bool is_outermost_first)
{
    out->frames = talloc_array(py->incident, struct rw_python_frame, count + 1);
    if (!out->frames)
        abort();
    for (size_t i = 0; i < count; i++)
        out->frames[i] = rw_py_describe_frame(py, &frames[is_outermost_first ? count - 1 - i : i]);
    out->frame_count = count;
}

/* The task that has this address; NULL if none that goes on has. */
static const struct rw_py_task *task_at(const struct rw_py_tasks *tasks, uint64_t address)
{
    for (size_t i = 0; i < tasks->count; i++)
        if (tasks->items[i].address == address)
            return &tasks->items[i];
    return NULL;
}

/* Of those that gather() waits for, the first one that goes on. */
static const struct rw_py_task *first_of(struct rw_python *py, const struct rw_py_tasks *tasks, uint64_t list)
{
    const struct rw_py_task *found = NULL;
    uint64_t item;
    for (size_t i = 0; !found && i < GATHERED_MAX && rw_py_list_item(py, list, i, &item); i++)
        found = task_at(tasks, item);
    return found;
}

/* "Task 'name'" or the type of what is waited for, as a person writes it. */
static void fill_waits(struct rw_python *py, const struct rw_py_tasks *tasks, struct rw_task *out,
                       uint64_t object)
{
    const struct rw_py_type *type = object ? rw_py_type_of(py, object) : NULL;
    if (!type || !type->name[0] || !strcmp(type->name, "NoneType"))
        return;
    const struct rw_py_task *other = task_at(tasks, object);
    if (!other && !strcmp(type->name, "_GatheringFuture"))
        other = first_of(py, tasks, rw_py_attribute(py, object, "_children"));
    if (other) {
        out->waits_for = other->address;
        out->waits_on = name_of(py, other->name);
        return;
    }
    const char *name = type->name[0] == '_' && strchr(type->name, '.') ? type->name + 1 : type->name;
    out->waits_on = talloc_strdup(py->incident, name); /* "_asyncio.Future" is asyncio's */
}

/* What it waits for, where that is a lock or the like of asyncio's, and who has that. */
static void fill_asyncio_wait(struct rw_python *py, struct rw_task *out, const struct rw_py_chain *chain,
                              const struct rw_py_task_owners *owners)
{
    struct rw_py_task_wait wait;
    if (strcmp(out->library, "asyncio") || out->waits_for || !rw_py_task_wait(py, chain, &wait))
        return;
    const struct rw_py_task_owner *owner = wait.is_lock ? rw_py_task_owner(owners, wait.object) : NULL;
    out->waits_on = wait.words;
    out->object = wait.object;
    out->held_by = owner ? owner->task : 0;
    out->taken_at = owner ? owner->at : NULL;
}

static bool is_same(const struct rw_py_chain *a, const struct rw_py_chain *b)
{
    if (a->count != b->count || a->progress != b->progress || a->awaits != b->awaits)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (a->frames[i].address != b->frames[i].address ||
            a->frames[i].code_address != b->frames[i].code_address ||
            a->frames[i].instruction != b->frames[i].instruction)
            return false;
    return true;
}

static const char *state_of(const struct rw_py_task *task, const struct rw_py_chain *chain)
{
    if (chain->progress == RW_PY_NEW)
        return "new";
    if (chain->progress != RW_PY_SUSPENDED)
        return NULL;
    return task->is_waiting < 0 ? NULL : task->is_waiting ? "waiting" : "ready";
}

static void fill_task(struct rw_python *py, const struct rw_py_tasks *tasks, const struct rw_py_task *task,
                      const struct rw_py_chain *before, const struct rw_py_task_owners *owners)
{
    size_t index;
    const struct rw_py_state *state = find_running(py, rw_py_coroutine_frame(py, task->coroutine), &index);
    struct rw_py_chain chain = {0};
    if (!state) {
        chain = rw_py_await_chain(py, task->coroutine, task->interpreter, true);
        for (size_t i = 0; i < chain.count && !is_same(before, &chain); i++)
            chain.frames[i].is_torn = true;
        if (!chain.count) /* done */
            return;
    }
    struct rw_task *out = rw_process_add_task(py->incident, py->process);
    out->library = task->library;
    out->address = task->address;
    out->interpreter = task->interpreter;
    out->name = name_of(py, task->name);
    out->cancelled = task->cancelled;
    if (state) {
        out->state = "running";
        out->tid = state->tid > 0 ? state->tid : 0;
        fill_frames(py, out, state->frames, index + 1, false);
        return;
    }
    int tid = task->pthread ? rw_py_tid_of_pthread(py, task->pthread) : 0;
    out->tid = tid > 0 ? tid : 0;
    out->state = state_of(task, &chain);
    fill_frames(py, out, chain.frames, chain.count, true);
    if (!out->state || strcmp(out->state, "waiting"))
        return;
    fill_waits(py, tasks, out, task->waiter ? task->waiter : chain.awaits);
    fill_asyncio_wait(py, out, &chain, owners);
}

void rw_py_fill_tasks(struct rw_python *py)
{
    struct rw_py_tasks tasks = {0};
    rw_py_forget(py);
    rw_py_find_asyncio_tasks(py, &tasks);
    rw_py_find_trio_tasks(py, &tasks);
    struct rw_py_chain *chains = talloc_array(py->scratch, struct rw_py_chain, tasks.count + 1);
    if (!chains)
        abort();
    for (size_t i = 0; i < tasks.count; i++)
        chains[i] = rw_py_await_chain(py, tasks.items[i].coroutine, tasks.items[i].interpreter, true);
    for (size_t i = 0; i < tasks.count; i++)
        rw_py_add_task_withs(py, &chains[i], tasks.items[i].address);
    struct rw_py_task_owners owners = rw_py_task_owners(py);
    rw_py_forget(py);
    for (size_t i = 0; i < tasks.count; i++)
        fill_task(py, &tasks, &tasks.items[i], &chains[i], &owners);
    if (tasks.is_cut)
        rw_process_note(py->incident, py->process, "it has more than %u tasks: the others are left out",
                        RW_PY_TASKS_MAX);
    if (tasks.is_unreadable)
        rw_process_note(py->incident, py->process,
                        "it has tasks of an event loop that could not all be read");
}
