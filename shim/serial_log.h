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

/* The number of a function of Python code, for rw_schedule_switch.source; 0 where the table is full. */
uint32_t rw_serial_log_source(const char *file, const char *function);

/* How lines are seen, and that a thread's are no more. */
void rw_serial_log_lines(enum rw_schedule_lines lines);
void rw_serial_log_lines_displaced(void);

/* True with a chance of one in `share`; always in a replay, where the file says who is chosen. */
bool rw_serial_log_draw(uint32_t share);

/* Chooses one of `count`, of which the first `able` need not be let run early, and writes it down. `self` is
 * the one that ran. */
uint32_t rw_serial_log_choose(struct rw_serial_thread *self, struct rw_serial_thread *const list[],
                              uint32_t able, uint32_t count);

/* The same at a line of Python code, where `self` is the first of `count` and goes on as a rule: that is not
 * counted as a decision. `is_asked`: whether the seed decides at this line; else `self` goes on. */
uint32_t rw_serial_log_choose_at_line(struct rw_serial_thread *self, struct rw_serial_thread *const list[],
                                      uint32_t count, bool is_asked);

/* The thread comes to wait for an interpreter's lock: which of the checks of who holds it gets it to this
 * one; 0: none. And it gets it, from `self`. */
uint32_t rw_serial_log_checks(struct rw_serial_thread *thread);
void rw_serial_log_check(struct rw_serial_thread *self, const struct rw_serial_thread *next, uint32_t checks);

/* The thread runs: its tid is known. */
void rw_serial_log_tid(const struct rw_serial_thread *thread);

void rw_serial_log_takeover(void);

/* In a fork child: the file is the parent's. */
void rw_serial_log_forget(void);

#endif
