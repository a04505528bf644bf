/* SPDX-License-Identifier: MIT */
/*
 * Fatal signals that the program left at their default. The shim's handler asks the monitor to look while the
 * process still stands, waits for that for a bounded time, and lets the signal end the process as it would
 * have: the same status, the same core, from the same instruction. Internal to shim/.
 *
 * The program does not see the handler: wrap_signal.c answers for it.
 */
#ifndef RACEWATCH_SHIM_CRASH_H
#define RACEWATCH_SHIM_CRASH_H

#include <signal.h>
#include <stdbool.h>

#include "shim/self.h"

/* In the constructor. Takes the signals that are at their default. */
void rw_crash_prepare(void);

/* One of the signals, and this process takes them where they are at their default. */
bool rw_crash_is_taken(int signal);

bool rw_crash_is_ours(const struct sigaction *action);

/* The program has just set the signal to its default: takes it (again). Async-signal-safe. */
void rw_crash_take(int signal);

/* What the program is to see where the kernel has our handler. */
struct sigaction rw_crash_view(int signal);

/* The process is about to get a filter for its system calls: lets go of the signals. False: it had none. In a
 * child of vfork, `is_elsewhere`, its own are let go of, and its parent's stay. */
bool rw_crash_let_go(bool is_elsewhere);

/* The thread that is dying of a signal, 0 while none is. */
extern int32_t rw_crash_tid __attribute__((visibility("hidden")));

/* Where a thread is about to end or to replace the process by itself: not before the one that crashed has,
 * whose end decides what the process's parent sees. Returns only in a thread that crashed itself, or after a
 * bounded time. */
void rw_crash_await(void);

static inline void rw_crash_first(void)
{
    if (__builtin_expect(rw_crash_tid != 0, 0))
        rw_crash_await();
}

#endif
