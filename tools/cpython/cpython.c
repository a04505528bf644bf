/* SPDX-License-Identifier: MIT */
#include "tools/cpython/cpython.h"

#include <stdlib.h>

#include <talloc.h>

#include "tools/cpython/code.h"
#include "tools/cpython/object.h"
#include "tools/cpython/python.h"

void rw_py_fill(struct rw_python *py)
{
    rw_py_read_stacks(py);
    rw_py_place_states(py);
    rw_py_fill_gil(py);
    rw_py_fill_interpreters(py);
    rw_py_fill_frames(py);
    rw_py_merge(py);
    rw_py_fill_threads(py);
    rw_py_refine_waits(py);
    rw_py_fill_tasks(py);
    rw_py_fill_pending_signals(py);
}

int rw_cpython_inspect(struct rw_incident *incident, struct rw_process_info *process, struct rw_image *image,
                       struct rw_reader *reader)
{
    struct rw_python py = {
        .incident = incident,
        .process = process,
        .memory = image->memory,
        .symbols = image->symbols,
        .maps = image->maps,
        .reader = reader,
        .scratch = talloc_new(NULL),
    };
    if (!py.scratch)
        abort();
    if (rw_py_discover(&py))
        rw_py_fill(&py);
    else
        for (size_t i = 0; py.runtime && i < process->thread_count; i++)
            rw_py_refine_finalisation(&py, &process->threads[i]);
    rw_py_forget(&py);
    talloc_free(py.scratch);
    return 0;
}
