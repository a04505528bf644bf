/* SPDX-License-Identifier: MIT */
/*
 * Names and daemon flags, as threading knows them: its table _active, in each interpreter that imported it,
 * from pthread_t to Thread object. A thread that is in no such table keeps the name it has.
 */
#include "tools/cpython/python.h"

#include <talloc.h>

#include "tools/cpython/object.h"

static void fill_thread(struct rw_python *py, struct rw_thread *thread, uint64_t object)
{
    struct rw_py_pair *attributes;
    size_t count;
    int64_t is_daemon;
    rw_py_attributes(py, object, &attributes, &count);
    const char *name = rw_py_string(py, py->incident, rw_py_find(py, attributes, count, "_name"));
    if (name)
        thread->name = name;
    if (rw_py_integer(py, rw_py_find(py, attributes, count, "_daemonic"), &is_daemon))
        thread->is_daemon = is_daemon != 0;
    talloc_free(attributes);
}

/* Later interpreters first: the main interpreter's word on a thread counts most. A foreign thread that merely
 * passes through an interpreter is a "Dummy-n" there. */
void rw_py_fill_threads(struct rw_python *py)
{
    for (size_t i = 0; i < py->interpreter_count; i++) {
        struct rw_py_interpreter *in = &py->interpreters[i];
        struct rw_py_pair *active;
        size_t count;
        in->threading = rw_py_module_dict(py, in, "threading");
        rw_py_dict(py, rw_py_dict_get(py, in->threading, "_active"), &active, &count);
        for (size_t t = 0; t < count; t++) {
            int64_t ident;
            struct rw_thread *thread = NULL;
            if (rw_py_integer(py, active[t].key, &ident))
                thread = rw_process_find_thread(py->process, rw_py_tid_of_pthread(py, (uint64_t)ident));
            if (thread && (in->id == 0 || !rw_py_is(py, active[t].value, "_DummyThread")) &&
                !(in->id != 0 && rw_py_is(py, active[t].value, "_MainThread")))
                fill_thread(py, thread, active[t].value);
        }
        talloc_free(active);
    }
}
