/* SPDX-License-Identifier: MIT */
/*
 * Which thread has to do with which interpreter: answers from the model alone.
 */
#ifndef RACEWATCH_TOOLS_INCIDENT_INTERPRETERS_H
#define RACEWATCH_TOOLS_INCIDENT_INTERPRETERS_H

#include "tools/incident/incident.h"

/* What a thread does to an interpreter right now, from the recording's hooks or, where those could not be
 * placed, from the functions on its stack. */
struct rw_ending {
    bool is_ending;      /* it destroys an interpreter or finalises Python */
    bool is_finalize;    /* all of Python, not one subinterpreter */
    int64_t interpreter; /* which one, -1 not known */
    uint64_t since_ns;   /* 0 not known */
    const char *how;     /* how it is known */
};
struct rw_ending rw_thread_ending(const struct rw_process_info *process, const struct rw_thread *thread);

/* Whether the thread is in the interpreter: has a thread state there, or, where thread states could not be
 * read at all, was created by a thread that was in it. */
bool rw_thread_is_in(const struct rw_process_info *process, const struct rw_thread *thread,
                     int64_t interpreter);

/* Whether thread states of this process could be read. */
bool rw_has_thread_states(const struct rw_process_info *process);

/* The GIL that the thread takes part in; NULL if not known, or if there is none. */
const struct rw_gil *rw_thread_gil(const struct rw_process_info *process, const struct rw_thread *thread);

#endif
