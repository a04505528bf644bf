/* SPDX-License-Identifier: MIT */
#include "tools/incident/wait_kinds.h"

#include <string.h>

static const struct rw_wait_kind kinds[] = {
    {"mutex", RW_ENDS_BY_RELEASE, "waits for mutex", true, false, false},
    {"rwlock", RW_ENDS_BY_RELEASE, "waits for rwlock", true, false, false},
    {"lock", RW_ENDS_BY_RELEASE, "waits for lock", true, false, false},
    {"rlock", RW_ENDS_BY_RELEASE, "waits for rlock", false, false, false},
    {"import-lock", RW_ENDS_BY_RELEASE, "waits for import lock", false, false, false},
    {"gil", RW_ENDS_BY_RELEASE, "waits for the GIL", false, false, false},
    {"interpreter-guard", RW_ENDS_BY_RELEASE, "waits for interpreter guard", false, false, false},
    {"once", RW_ENDS_BY_RELEASE, "waits for the initialisation of", true, false, true},
    {"libc-lock", RW_ENDS_BY_RELEASE, "waits for", true, false, false},
    {"stream", RW_ENDS_BY_RELEASE, "waits for stream", false, false, false},
    {"file-lock", RW_ENDS_BY_RELEASE, "waits for file lock", true, false, false},
    /* A semaphore may be used as a lock, or to count what others produce: then whoever took it last owes
       nothing. */
    {"semaphore", RW_ENDS_BY_RELEASE, "waits for semaphore", false, true, false},
    {"sysv-semaphore", RW_ENDS_BY_RELEASE, "waits for System V semaphore", false, true, false},
    {"join", RW_ENDS_BY_EXIT, "waits for a thread to end", false, false, false},
    {"thread-join", RW_ENDS_BY_EXIT, "waits for a thread to end", false, false, false},
    {"thread-start", RW_ENDS_BY_BEGIN, "waits for a thread to begin", false, false, false},
    /* These have a lock inside that the waiter itself took: an owner, if one is named, says nothing. */
    {"condition", RW_ENDS_BY_SIGNAL, "waits on condition variable", false, false, false},
    {"barrier", RW_ENDS_BY_SIGNAL, "waits at barrier", false, false, false},
    {"python-condition", RW_ENDS_BY_SIGNAL, "waits on condition", false, false, false},
    {"event", RW_ENDS_BY_SIGNAL, "waits for event", false, false, false},
    {"queue", RW_ENDS_BY_SIGNAL, "waits on queue", false, false, false},
    {"python-semaphore", RW_ENDS_BY_SIGNAL, "waits for semaphore", false, false, false},
    {"futex", RW_ENDS_UNKNOWN, "waits on futex", false, false, false},
    {"fork", RW_ENDS_UNKNOWN, "is inside fork()", false, false, false},
    {"sleep", RW_ENDS_BY_TIME, "sleeps", false, false, false},
    {"poll", RW_ENDS_BY_INPUT, "waits in poll", false, false, false},
    {"read", RW_ENDS_BY_INPUT, "waits in read", false, false, false},
    {"write", RW_ENDS_BY_INPUT, "waits in write", false, false, false},
    {"accept", RW_ENDS_BY_INPUT, "waits in accept", false, false, false},
    {"connect", RW_ENDS_BY_INPUT, "waits in connect", false, false, false},
    {"recv", RW_ENDS_BY_INPUT, "waits in recv", false, false, false},
    {"send", RW_ENDS_BY_INPUT, "waits in send", false, false, false},
    {"process", RW_ENDS_BY_INPUT, "waits for child process", false, false, false},
    {"signal", RW_ENDS_BY_INPUT, "waits for a signal", false, false, false},
    {"thread-state", RW_ENDS_NEVER, "is parked for ever by interpreter finalisation", false, false, false},
    {"syscall", RW_ENDS_UNKNOWN, "is in a system call", false, false, false},
    {NULL, RW_ENDS_UNKNOWN, "waits", false, false, false},
};

const struct rw_wait_kind *rw_wait_kind_of(const struct rw_wait_on *wait)
{
    const struct rw_wait_kind *row = kinds;

    while (row->kind && !(wait && wait->kind && strcmp(row->kind, wait->kind) == 0))
        row++;
    return row;
}
