/* SPDX-License-Identifier: MIT */
/* How a process's recording begins. Internal to shim/. */
#ifndef RACEWATCH_SHIM_BEGIN_H
#define RACEWATCH_SHIM_BEGIN_H

#include "shim/self.h"

/* Makes the file in rw_session.folder, gives this thread slot 0 and fills the header but for `ready`. Before
 * the first time rw_live_prepare() must have succeeded. Returns 0 or a negative errno. */
int rw_begin_recording(struct rw_self *self);

/* Makes the page that a fork child finds empty. */
int rw_live_prepare(void);

/* Tells the kernel that the monitor may trace this process. Without Yama nobody asks. */
void rw_allow_monitor(void);

/* Finds out whether the monitor could trace this process, and prepares the capture signal where it could not.
 * In the constructor. See capture_signal.c. */
void rw_capture_signal_prepare(void);

/* Copies the registers of a signal handler's context (ucontext_t) and the stack below them into the calling
 * thread's slot, where the thread is not in the recorder already. */
void rw_capture_context(const void *context);

/* The program made itself undumpable: nobody may trace it from now on. */
void rw_capture_signal_needed(int error);

#endif
