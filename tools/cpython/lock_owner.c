/* SPDX-License-Identifier: MIT */
/*
 * Two tables of the recording: locks, where the option lock_owners had them recorded by their methods, and
 * the semaphores that locks are made of up to 3.13.0. What released a lock without either seeing it (C code;
 * a child that made its locks anew after fork) left it free or in another's hands: so the lock itself is
 * asked as well.
 */
#include "tools/cpython/lock_owner.h"

#include <talloc.h>

#include "tools/cpython/code.h"
#include "tools/recording/reader.h"

#define COPIES_MAX 4096u /* of a code's instructions, one for each thread of a free-threaded process */
#define LATER_NS UINT64_C(10000000) /* as coarse as the clock of `thread_ms`, and more */

/* glibc keeps a semaphore's value in its lower half; a PyMutex has its lowest bit set. */
static bool is_locked(struct rw_python *py, const struct rw_py_lock_object *lock)
{
    if (lock->semaphore)
        return rw_py_int(py, lock->semaphore) == 0;
    return rw_py_int(py, lock->address + py->layout.object.size) & 1;
}

/* The code may be gone, and its memory another's: then there is no code, or the instruction is none of its.
 */
static const char *place(struct rw_python *py, const struct rw_lock *taken)
{
    struct rw_py_frame frame = {.instruction = taken->instruction, .code = rw_py_code_at(py, taken->code)};
    const struct rw_py_code *code = frame.code;
    if (!code->is_code || !code->file)
        return NULL;
    frame.at = rw_py_instruction_offset(py, &frame);
    while (frame.at < 0 && code->tlbc && ++frame.tlbc_index < COPIES_MAX)
        frame.at = rw_py_instruction_offset(py, &frame);
    int line = frame.at < 0 ? 0 : rw_py_code_line(py, code, frame.at);
    return line > 0 ? talloc_asprintf(py->incident, "%s:%d", code->file, line) : NULL;
}

/* A thread that began after the one that took the lock was there is another one with its number. */
static int still_that_thread(const struct rw_python *py, int tid, uint32_t thread_ms)
{
    const struct rw_thread *thread = rw_process_find_thread(py->process, tid);
    uint64_t there_ns = rw_reader_header(py->reader)->created_ns + thread_ms * UINT64_C(1000000);
    return thread && thread->created_ns > there_ns + LATER_NS ? 0 : tid;
}

bool rw_py_recorded_owner(struct rw_python *py, const struct rw_py_lock_object *lock,
                          struct rw_py_taken *taken)
{
    struct rw_lock by_method;
    struct rw_semaphore by_semaphore;
    *taken = (struct rw_py_taken){0};
    if (!py->reader)
        return false;
    if (!rw_reader_lock_owner(py->reader, lock->address, &by_method)) {
        taken->tid = still_that_thread(py, by_method.tid, by_method.thread_ms);
        taken->at = by_method.code ? place(py, &by_method) : NULL;
    } else if (lock->semaphore && !rw_reader_semaphore_owner(py->reader, lock->semaphore, &by_semaphore)) {
        taken->tid = still_that_thread(py, by_semaphore.tid, by_semaphore.thread_ms);
    } else {
        return false;
    }
    return is_locked(py, lock);
}
