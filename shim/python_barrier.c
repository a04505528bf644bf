/* SPDX-License-Identifier: MIT */
/*
 * threading.Barrier is Python code: a condition, and a count. Who waits for the others to come does so by
 * Barrier.wait, Barrier._wait, Condition.wait_for and Condition.wait (Lib/threading.py, 3.2 to 3.15), all of
 * one file; other methods wait with that condition for other things.
 */
#include "shim/python_hooks.h"

#include <stddef.h>
#include <string.h>

#include "shim/text.h"

/* Innermost first; a function of the condition's own may come before them. */
static const char *const waiting[] = {"wait", "wait_for", "_wait", "wait"};
enum { WAITING = sizeof waiting / sizeof waiting[0], FRAMES = WAITING + 1 };

/* The qualified name has the class before it, from 3.11 on. */
static bool is_named(const struct rw_lock_frame *frame, const char *name)
{
    const char *last = strrchr(frame->function, '.');
    return rw_text_equal(last ? last + 1 : frame->function, name);
}

static bool are_waiting(const struct rw_lock_frame *frames)
{
    for (size_t i = 0; i < WAITING; i++) {
        if (!is_named(&frames[i], waiting[i]) || !rw_text_equal(frames[i].file, frames[0].file))
            return false;
    }
    return true;
}

bool rw_python_waits_in_barrier(void)
{
    struct rw_lock_frame frames[FRAMES];
    const uint32_t count = rw_python_frames(true, frames, FRAMES);
    return (count >= WAITING && are_waiting(frames)) || (count == FRAMES && are_waiting(frames + 1));
}
