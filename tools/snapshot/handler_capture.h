/* SPDX-License-Identifier: MIT */
/*
 * Copies made by the process itself, out of its recording: those that a thread made as it was about to block,
 * and those that the shim's signal handler makes on request, where tracing is refused. For this folder.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_HANDLER_CAPTURE_H
#define RACEWATCH_TOOLS_SNAPSHOT_HANDLER_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/recording.h"

struct rw_reader;

struct rw_asked {
    int tid;       /* in */
    unsigned slot; /* in: its slot in the recording */
    bool is_answered;
    const char *why_not; /* a static string, where it was not answered */
};

/* Signals the threads and waits at most timeout_ms for all their copies, which rw_reader_capture then hands
 * out. Calls that a signal makes return EINTR (epoll_wait, poll, nanosleep) do so. Nothing is sent where it
 * could do harm: only if the shim says which signal it handles and the kernel says that there is a handler.
 */
void rw_handler_capture(struct rw_reader *reader, int pid, struct rw_asked *asked, size_t count,
                        unsigned timeout_ms);

#endif
