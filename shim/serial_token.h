/* SPDX-License-Identifier: MIT */
/*
 * Who holds the token, and how it changes hands. All inside the model: see serial.h. The holder that finds
 * nobody able to run stays the holder, and idles: it lets time pass, or waits for the outside. One that
 * cannot stay, because its thread ends, hands the token to a blocked thread, which idles in its place.
 */
#ifndef RACEWATCH_SHIM_SERIAL_TOKEN_H
#define RACEWATCH_SHIM_SERIAL_TOKEN_H

#include "shim/serial.h"

/* Lets the next one run; returns when `self` has the token again. */
void rw_serial_pass_on(struct rw_serial_thread *self);

/* The same to a thread that is able to. */
void rw_serial_pass_to(struct rw_serial_thread *self, struct rw_serial_thread *next);

/* Counts a point of the thread, of the kind that it is at. What it did before there was another thread hangs
 * on the surroundings (what a standard stream is, say), so counting begins with the second one. */
void rw_serial_count(struct rw_serial_thread *self, enum rw_schedule_point kind);

/* Chooses who runs next; NULL if nobody is able to. */
struct rw_serial_thread *rw_serial_pick(struct rw_serial_thread *self);

/* Whether it could run now; and it does, as soon as it has the token. One that waits is let run early, if it
 * has a time limit. */
bool rw_serial_is_able(const struct rw_serial_thread *thread);
void rw_serial_let_run(struct rw_serial_thread *thread);

/* True if somebody other than the holder could run. */
bool rw_serial_anybody_able(void);

/* The blocked thread whose time runs out first, NULL if there is none. */
struct rw_serial_thread *rw_serial_earliest(bool only_sleepers);

/* The holder finds nobody able to run: lets time pass, or waits a little while for the outside. */
void rw_serial_idle(struct rw_serial_thread *self);
/* Somebody is able to run again. */
void rw_serial_idle_over(void);

/* By a thread that waits for the token: takes it from a holder that waits or spins where the model does not
 * see. */
void rw_serial_watch_holder(struct rw_serial_thread *self);

void rw_serial_lock(void);
void rw_serial_unlock(void);
/* Waits for rw_serial_tell(thread), at most so long, or once nobody can run for good: it then waits on its
 * object, as libc would, so that whoever looks at the process sees what it waits for. Outside of the lock.
 * Returns 0 or a negative errno. */
int rw_serial_nap(struct rw_serial_thread *self, uint32_t go, uint64_t ns);
void rw_serial_tell(struct rw_serial_thread *thread);

#endif
