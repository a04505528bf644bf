/* SPDX-License-Identifier: MIT */
/*
 * The frames of a target's thread, from one of the places that its stack can be had from. For stacks.c. Each
 * call puts what it gets into the incident where it is more than what is there already, and returns true if
 * it leads all the way out.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_STACK_SOURCES_H
#define RACEWATCH_TOOLS_SNAPSHOT_STACK_SOURCES_H

#include "tools/snapshot/target.h"

/* What was copied while it was stopped. */
bool rw_frames_from_copy(struct rw_look *look, struct rw_target *target);

/* What the thread copied itself: `by` itself as it began the wait that it is in, or by the shim's handler. */
bool rw_frames_from_capture(struct rw_look *look, struct rw_target *target, enum rw_capture_by by);

/* The stack as it lies there; what that takes of the registers beside the two that /proc shows comes from the
 * recording, if the thread copied them as it began the wait that it is in. */
bool rw_frames_from_memory(struct rw_look *look, struct rw_target *target);

/* Takes back what was not enough. */
void rw_stack_forget(struct rw_look *look, struct rw_target *target);

/* One more remark for people on the thread's stack. */
void rw_stack_note(struct rw_look *look, const struct rw_target *target, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
