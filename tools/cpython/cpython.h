/* SPDX-License-Identifier: MIT */
/*
 * Python in a process that is looked at from outside: its interpreters, thread states, frames, the GIL, and
 * which of Python's locks a thread waits for. CPython 3.8 and later, x86-64, glibc. Nothing runs in the
 * process and nothing is stopped; its memory is read, and every value is checked before it is followed.
 */
#ifndef RACEWATCH_TOOLS_CPYTHON_CPYTHON_H
#define RACEWATCH_TOOLS_CPYTHON_CPYTHON_H

#include "tools/incident/incident.h"

struct rw_image;
struct rw_reader;

/* Fills what Python knows of `process`: python and python_note; interpreters with their thread states and
 * GIL; of each thread its thread states, Python frames (merged with the native ones by native_index), name
 * and daemon flag; and refines waits_on where a thread waits for one of Python's objects.
 *
 * Call it after the threads and their native frames were filled in (they may also be missing: then
 * native_index is -1 and no wait is refined). `reader` may be NULL: then owners that only the recording knows
 * are not known. Everything that is stored belongs to the incident.
 *
 * Never fails as a whole: a process without Python is left as it is; a layout that does not check out against
 * the process is not believed, and python_note says which one and why. Returns 0, or -ESRCH where the process
 * is gone. */
int rw_cpython_inspect(struct rw_incident *incident, struct rw_process_info *process, struct rw_image *image,
                       struct rw_reader *reader);

#endif
