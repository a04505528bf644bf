/* SPDX-License-Identifier: MIT */
/*
 * trio's tasks. A thread that runs a trio loop has a frame of trio._core._run.unrolled_run on its stack,
 * whose local `runner` has the set of all tasks. A task that waits has a function to abort that; it is None
 * from when it is rescheduled. Runner and Task are classes with __slots__ in some versions, with a __dict__
 * in others.
 */
#include "tools/cpython/tasks.h"

#include <talloc.h>

#include "tools/cpython/code.h"
#include "tools/cpython/object.h"
#include "tools/cpython/slots.h"

static uint64_t attribute(struct rw_python *py, uint64_t object, const char *name)
{
    uint64_t value = rw_py_slot_attribute(py, object, name);
    return value ? value : rw_py_attribute(py, object, name);
}

static bool is_loop(const struct rw_py_frame *frame)
{
    const char *file = frame->code->file;
    size_t length = file ? strlen(file) : 0;
    static const char end[] = "/trio/_core/_run.py";
    return frame->code->function && !strcmp(frame->code->function, "unrolled_run") &&
           length >= sizeof end - 1 && !strcmp(file + length - (sizeof end - 1), end);
}

static void add_tasks(struct rw_python *py, struct rw_py_tasks *tasks, const struct rw_py_frame *frame,
                      uint64_t pthread)
{
    uint64_t runner = rw_py_local(py, frame, "runner");
    uint64_t *elements;
    size_t count;
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
        uint64_t abort_function = attribute(py, elements[i], "_abort_func");
        task.is_waiting = abort_function ? !rw_py_is(py, abort_function, "NoneType") : -1;
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
