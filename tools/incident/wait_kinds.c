/* SPDX-License-Identifier: MIT */
#include "tools/incident/wait_kinds.h"

#include <string.h>

static const struct rw_wait_kind kinds[] = {
    {"mutex", RW_ENDS_BY_RELEASE, "waits for mutex", true, false},
    {"rwlock", RW_ENDS_BY_RELEASE, "waits for rwlock", true, false},
    {"lock", RW_ENDS_BY_RELEASE, "waits for lock", true, false},
    {"rlock", RW_ENDS_BY_RELEASE, "waits for rlock", false, false},
    {"import-lock", RW_ENDS_BY_RELEASE, "waits for import lock", false, false},
    {"gil", RW_ENDS_BY_RELEASE, "waits for the GIL", false, false},
    {"interpreter-guard", RW_ENDS_BY_RELEASE, "waits for interpreter guard", false, false},
    {"stream", RW_ENDS_BY_RELEASE, "waits for stream", false, false},
    {"file-lock", RW_ENDS_BY_RELEASE, "waits for file lock", true, false},
    /* A semaphore may be used as a lock, or to count what others produce: then whoever took it last owes
       nothing. */
    {"semaphore", RW_ENDS_BY_RELEASE, "waits for semaphore", false, true},
    {"join", RW_ENDS_BY_EXIT, "waits for a thread to end", false, false},
    {"thread-join", RW_ENDS_BY_EXIT, "waits for a thread to end", false, false},
    {"thread-start", RW_ENDS_BY_BEGIN, "waits for a thread to begin", false, false},
    /* These have a lock inside that the waiter itself took: an owner, if one is named, says nothing. */
    {"condition", RW_ENDS_BY_SIGNAL, "waits on condition variable", false, false},
    {"barrier", RW_ENDS_BY_SIGNAL, "waits at barrier", false, false},
    {"python-condition", RW_ENDS_BY_SIGNAL, "waits on condition", false, false},
    {"event", RW_ENDS_BY_SIGNAL, "waits for event", false, false},
    {"queue", RW_ENDS_BY_SIGNAL, "waits on queue", false, false},
    {"python-semaphore", RW_ENDS_BY_SIGNAL, "waits for semaphore", false, false},
    {"futex", RW_ENDS_UNKNOWN, "waits on futex", false, false},
    {"fork", RW_ENDS_UNKNOWN, "is inside fork()", false, false},
    {"sleep", RW_ENDS_BY_TIME, "sleeps", false, false},
    {"poll", RW_ENDS_BY_INPUT, "waits in poll", false, false},
    {"read", RW_ENDS_BY_INPUT, "waits in read", false, false},
    {"write", RW_ENDS_BY_INPUT, "waits in write", false, false},
    {"accept", RW_ENDS_BY_INPUT, "waits in accept", false, false},
    {"connect", RW_ENDS_BY_INPUT, "waits in connect", false, false},
    {"recv", RW_ENDS_BY_INPUT, "waits in recv", false, false},
    {"send", RW_ENDS_BY_INPUT, "waits in send", false, false},
    {"process", RW_ENDS_BY_INPUT, "waits for child process", false, false},
    {"signal", RW_ENDS_BY_INPUT, "waits for a signal", false, false},
    {"thread-state", RW_ENDS_NEVER, "is parked for ever by interpreter finalisation", false, false},
    {"syscall", RW_ENDS_UNKNOWN, "is in a system call", false, false},
    {NULL, RW_ENDS_UNKNOWN, "waits", false, false},
};

const struct rw_wait_kind *rw_wait_kind_of(const struct rw_wait_on *wait)
{
    const struct rw_wait_kind *row = kinds;

    while (row->kind && !(wait && wait->kind && strcmp(row->kind, wait->kind) == 0))
        row++;
    return row;
}
