/* SPDX-License-Identifier: MIT */
/*
 * Who asks for the GIL waits for a condition, 5 ms at a time. Its struct has, behind the flag `locked` and a
 * counter, a condition and mutex to take it, and a second pair to see it taken by another thread after a
 * forced release: 16 bytes and 48 + 40 + 48 + 40.
 */
#include "tools/cpython/gil_wait.h"

#include <talloc.h>

#include "tools/recording/reader.h"

#define GIL_CONDITIONS_AT 16u
#define GIL_CONDITIONS_SIZE 176u

/* How deep in the C library the wrapper that waits may be. */
#define DEPTH_MAX 8

void rw_py_set_owner(struct rw_python *py, struct rw_wait_on *wait, int tid, enum rw_certainty certainty,
                     const char *how)
{
    wait->owner = (struct rw_owner){
        .tid = tid, .pid = tid > 0 ? py->process->pid : -1, .certainty = certainty, .how = how};
}

/* The main interpreter is the last of the list: where it shares its GIL, the wait is for that one. */
static const struct rw_py_interpreter *interpreter_of(const struct rw_python *py, uint64_t object)
{
    for (size_t i = py->interpreter_count; i-- > 0;) {
        const struct rw_py_interpreter *in = &py->interpreters[i];
        uint64_t begin = in->gil + py->layout.gil.locked + GIL_CONDITIONS_AT;

        if (in->gil && object >= begin && object < begin + GIL_CONDITIONS_SIZE)
            return in;
    }
    return NULL;
}

bool rw_py_refine_gil(struct rw_python *py, struct rw_thread *thread)
{
    struct rw_wait_on *wait = thread->waits_on;
    const struct rw_py_interpreter *in;

    if (!wait->kind || (strcmp(wait->kind, "futex") != 0 && strcmp(wait->kind, "condition") != 0 &&
                        strcmp(wait->kind, "mutex") != 0))
        return false;
    in = interpreter_of(py, wait->object);
    if (!in)
        return false;
    const struct rw_interpreter_info *info = rw_process_find_interpreter(py->process, in->id);
    wait->kind = "gil";
    wait->object = in->gil;
    wait->call = "take_gil";
    wait->name =
        in->id == 0 ? "the GIL" : talloc_asprintf(py->incident, "the GIL of interpreter %d", (int)in->id);
    wait->has_deadline = false; /* it waits in a loop of 5 ms */
    wait->deadline_in_s = 0;
    rw_py_set_owner(py, wait, info ? info->gil.holder_tid : -1, info ? info->gil.certainty : RW_UNKNOWN,
                    "the GIL's own record of its holder");
    if (wait->owner.tid == thread->tid) /* it got the GIL between the two looks */
        rw_py_set_owner(py, wait, -1, RW_UNKNOWN, NULL);
    return true;
}

/* Its stack was taken inside the library's wrapper of the wait. */
static bool is_in_wrapper(const struct rw_thread *thread)
{
    for (size_t i = 0; i < thread->native_count && i < DEPTH_MAX; i++)
        if (thread->native[i].is_shim)
            return true;
    return thread->native_count == 0;
}

/* Every 5 ms it wakes, and then it is one of those that wait for a processor: on a machine that has more work
 * than processors that is where it is found, in no system call. It has not left its wait. */
void rw_py_find_woken(struct rw_python *py)
{
    unsigned count = py->reader ? rw_reader_header(py->reader)->slot_used : 0;
    struct rw_slot slot;

    for (unsigned i = 0; i < count; i++) {
        if (rw_reader_slot(py->reader, i, &slot) < 0 || slot.state != RW_THREAD_WAITING ||
            slot.wait.kind != RW_WAIT_COND || !interpreter_of(py, slot.wait.object))
            continue;
        struct rw_thread *thread = rw_process_find_thread(py->process, slot.tid);
        if (!thread || !thread->is_alive || thread->waits_on || !is_in_wrapper(thread))
            continue;
        struct rw_wait_on *wait = rw_thread_wait_on(py->incident, thread);
        wait->kind = "condition";
        wait->object = slot.wait.object;
        wait->since_ns = slot.since_ns;
        wait->evidence = "recording; it was woken, and waits for a processor";
    }
}
