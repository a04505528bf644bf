/* SPDX-License-Identifier: MIT */
/*
 * trio's tasks. A thread that runs a trio loop has a frame of trio._core._run.run on its stack, and, while a
 * task has its turn, one of unrolled_run, which run() drives; the local `runner` of either has the set of all
 * tasks. A task that was rescheduled has a function that goes on with it; while it waits, that is None, also
 * where a cancellation has reached it that it could not be woken for. Runner and Task are classes with
 * __slots__ in some versions, with a __dict__ in others.
 */
#include "tools/cpython/tasks.h"

#include <talloc.h>

#include "tools/cpython/code.h"
#include "tools/cpython/object.h"
#include "tools/cpython/slots.h"

#define SCOPES_MAX 64

static uint64_t attribute(struct rw_python *py, uint64_t object, const char *name)
{
    uint64_t value = rw_py_slot_attribute(py, object, name);
    return value ? value : rw_py_attribute(py, object, name);
}

static bool is_set(struct rw_python *py, uint64_t object, const char *name)
{
    int64_t value;
    return rw_py_integer(py, attribute(py, object, name), &value) && value != 0;
}

/* A task is in scopes, the one in the other; what is cancelled outside of a shield does not reach it. */
static const char *cancelled(struct rw_python *py, uint64_t task)
{
    uint64_t status = attribute(py, task, "_cancel_status");
    bool is_shielded = false;
    for (int depth = 0; depth < SCOPES_MAX && status; depth++) {
        uint64_t scope = attribute(py, status, "_scope");
        if (scope && is_set(py, scope, "_cancel_called"))
            return is_shielded ? "shielded" : "asked";
        is_shielded |= scope && is_set(py, scope, "_shield");
        status = attribute(py, status, "_parent");
    }
    return NULL;
}

/* Where no scope has a deadline the loop still does not wait for longer than a day (_MAX_TIMEOUT): that is no
 * limit of the program's. `_active` counts the deadlines, from 0.19 on. */
static void tell_no_deadline(struct rw_python *py, uint64_t runner, uint64_t pthread)
{
    int tid = rw_py_tid_of_pthread(py, pthread);
    struct rw_thread *thread = tid > 0 ? rw_process_find_thread(py->process, tid) : NULL;
    struct rw_wait_on *wait = thread ? thread->waits_on : NULL;
    int64_t active;

    if (wait && wait->kind && !strcmp(wait->kind, "poll") &&
        rw_py_integer(py, attribute(py, attribute(py, runner, "deadlines"), "_active"), &active) &&
        active == 0)
        wait->has_deadline = false;
}

static bool is_loop(const struct rw_py_frame *frame)
{
    const char *file = frame->code->file;
    size_t length = file ? strlen(file) : 0;
    static const char end[] = "/trio/_core/_run.py";
    return frame->code->function &&
           (!strcmp(frame->code->function, "unrolled_run") || !strcmp(frame->code->function, "run")) &&
           length >= sizeof end - 1 && !strcmp(file + length - (sizeof end - 1), end);
}

static void add_tasks(struct rw_python *py, struct rw_py_tasks *tasks, const struct rw_py_frame *frame,
                      uint64_t pthread)
{
    uint64_t runner = rw_py_local(py, frame, "runner");
    uint64_t *elements;
    size_t count;
    tell_no_deadline(py, runner, pthread);
    if (!rw_py_set(py, attribute(py, runner, "tasks"), &elements, &count)) {
        tasks->is_unreadable = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct rw_py_task task = {
            .library = "trio",
            .address = elements[i],
            .interpreter = frame->interpreter_id,
            .pthread = pthread,
            .coroutine = attribute(py, elements[i], "coro"),
            .name = attribute(py, elements[i], "name"),
        };
        uint64_t next = attribute(py, elements[i], "_next_send_fn");
        task.is_waiting = next ? rw_py_is(py, next, "NoneType") : -1;
        task.cancelled = cancelled(py, elements[i]);
        if (rw_py_is_coroutine(py, task.coroutine))
            rw_py_add_task(py, tasks, &task);
    }
    talloc_free(elements);
}

void rw_py_find_trio_tasks(struct rw_python *py, struct rw_py_tasks *tasks)
{
    for (size_t i = 0; i < py->state_count; i++)
        for (size_t f = 0; f < py->states[i].frame_count; f++)
            if (!py->states[i].frames[f].is_torn && is_loop(&py->states[i].frames[f]))
                add_tasks(py, tasks, &py->states[i].frames[f], py->states[i].thread_id);
}
