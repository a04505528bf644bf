/* SPDX-License-Identifier: MIT */
/* What the families of serial mode's functions share. Outside of the model: each goes in by itself. */
#ifndef RACEWATCH_SHIM_SERIAL_SYNC_H
#define RACEWATCH_SHIM_SERIAL_SYNC_H

#include "shim/real.h"
#include "shim/serial.h"

/* What rw_real held before the mode began. */
extern struct rw_real rw_serial_libc RW_HIDDEN;

/* A point before something is done to the object. */
void rw_serial_before(const volatile void *object);
/* One after it was given back. The object may be gone. errno is kept. */
void rw_serial_after(const volatile void *object);

/* Around a call that waits where the model does not see. */
void rw_serial_outside_begin(void);
void rw_serial_outside_end(void);

int rw_serial_mutex_lock(pthread_mutex_t *mutex);
bool rw_serial_mutex_is_free(const volatile void *mutex);

/* True of what belongs to an interpreter's lock: the GIL's mutexes and conditions. */
bool rw_serial_is_interpreter_lock(const volatile void *object);
/* Inside: a wait for a condition begins. True if it is one for an interpreter's lock that is held. */
bool rw_serial_interpreter_lock_awaited(const volatile void *condition, const volatile void *mutex,
                                        uint64_t left_ns);
/* Inside, then: true if the thread is to ask for the lock first, as if its time had run out. *until: when
 * that is. And true where it had asked, and its wait has gone on, until now. */
bool rw_serial_interpreter_lock_asks(struct rw_serial_thread *self, const volatile void *condition,
                                     uint64_t *until);
bool rw_serial_interpreter_lock_has_asked(struct rw_serial_thread *self, const volatile void *condition);
/* Inside: who gave a lock up at a check is about to wait until another thread has it. True: it does not. */
bool rw_serial_interpreter_lock_passes(struct rw_serial_thread *self, const volatile void *condition);
/* Inside: whom to wake, NULL: as ever. */
const struct rw_serial_thread *rw_serial_interpreter_lock_next(const volatile void *condition);
/* Outside, after a mutex was given back: that may be the end of taking an interpreter's lock. */
void rw_serial_interpreter_lock_left(const volatile void *mutex);

/* Inside: those who were woken and have not run wait as before. */
void rw_serial_condition_forget(const volatile void *condition);

/* A deadline of the program's on the clock that libc knows. */
void rw_serial_real_deadline(clockid_t clock, const struct timespec *deadline, struct timespec *real);

/* Outside: sleeps so long on the model's clock. *left, unless NULL: what a signal left of it.
 * RW_SERIAL_NOT_OURS: it did not, the thread is not the model's. A cancellation point. */
enum rw_serial_outcome rw_serial_sleep(uint64_t ns, struct timespec *left);

#endif
