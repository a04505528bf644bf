/* SPDX-License-Identifier: MIT */
/*
 * The file of what was decided, and the one that is to be done again: struct rw_schedule_header in
 * schedule.h. All but rw_serial_log_begin() and rw_serial_log_replay() inside the model. Without a file
 * decisions are made all the same.
 */
#ifndef RACEWATCH_SHIM_SERIAL_LOG_H
#define RACEWATCH_SHIM_SERIAL_LOG_H

#include "shim/serial.h"

/* In the constructor: makes the file beside the recording. Returns 0 or a negative errno. */
int rw_serial_log_begin(uint64_t seed);

/* In the constructor: what is decided from now on is what that file says. -ESTALE: it is of another process.
 * Returns 0 or a negative errno. */
int rw_serial_log_replay(const char *path);

void rw_serial_log_thread(struct rw_serial_thread *thread, const struct rw_serial_thread *parent);

/* True with a chance of one in `share`; always in a replay, where the file says who is chosen. */
bool rw_serial_log_draw(uint32_t share);

/* Chooses one of `count`, of which the first `able` need not be let run early, and writes it down. `self` is
 * the one that ran. */
uint32_t rw_serial_log_choose(struct rw_serial_thread *self, struct rw_serial_thread *const list[],
                              uint32_t able, uint32_t count);

/* The thread runs: its tid is known. */
void rw_serial_log_tid(const struct rw_serial_thread *thread);

void rw_serial_log_takeover(void);

/* In a fork child: the file is the parent's. */
void rw_serial_log_forget(void);

#endif
