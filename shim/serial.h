/* SPDX-License-Identifier: MIT */
/*
 * The serial mode: one thread of the program runs at a time, and at each point where it touches what others
 * touch the seed decides who runs next. docs/serial.md tells it to people. Internal to shim/serial_*.c.
 *
 * The real objects stay what they are; a thread that finds one taken waits here, not in libc, until a look at
 * the object says that it could have it. Only conditions and barriers are modelled, for they say nothing to
 * who looks. A thread between two points holds the token: the model belongs to it, and it needs no lock but
 * rw_serial.lock, against those who come back from where the model does not see, and those who take the token
 * from a holder that waits there.
 *
 * Nothing here is called unless the mode is on: its functions are put into rw_real in place of libc's. All of
 * them keep errno but where libc's would set it. A function that interrupts another one of the model in the
 * same thread (from a signal handler) goes to libc, and so does one in a thread that the model does not know.
 */
#ifndef RACEWATCH_SHIM_SERIAL_H
#define RACEWATCH_SHIM_SERIAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "shim/schedule.h"
#include "shim/serial_policy.h"

#define RW_SERIAL_THREADS 1024u
#define RW_SERIAL_NEVER UINT64_MAX

enum rw_serial_state {
    RW_SERIAL_FREE = 0, /* nobody's entry */
    RW_SERIAL_READY,    /* runs, or could */
    RW_SERIAL_BLOCKED,  /* waits in the model */
    RW_SERIAL_OUTSIDE,  /* waits or runs where the model does not see, without the token */
    RW_SERIAL_ENDED,    /* runs no more of the program's code; not joined yet */
};

enum rw_serial_outcome {
    RW_SERIAL_GO = 0,      /* what was waited for may be had now */
    RW_SERIAL_TIMED_OUT,   /* the deadline passed */
    RW_SERIAL_INTERRUPTED, /* a signal handler ran */
    RW_SERIAL_NOT_OURS,    /* the model does not know this thread, or is off: ask libc */
};

struct rw_serial_thread {
    struct rw_serial_candidate candidate;
    uint32_t index;
    uint32_t logged; /* its index in the schedule file */
    uint32_t state;  /* enum rw_serial_state */
    uint32_t go;     /* futex: counts how often it was told to look */
    int32_t tid;
    pthread_t pthread;
    bool is_detached;
    bool is_coming;                      /* waits for the token or begins: none of the program's code runs */
    enum rw_schedule_point kind;         /* of the point that it is at */
    uint32_t points[RW_SCHEDULE_POINTS]; /* that it came to so far */
    uint64_t path;                       /* hash of its place in the tree of creation */
    uint32_t children;
    void *(*start)(void *);
    int (*start_c11)(void *);
    void *argument;
    uint32_t rounds;                    /* of its destructors */
    const void *return_address;         /* of the call that it is in */
    uint32_t source, line;              /* the last line of Python code that it came to: rw_schedule_switch */
    struct rw_serial_thread *successor; /* is to have the interpreter's lock that it gives up; NULL: any */

    /* While BLOCKED: */
    bool (*is_ready)(const struct rw_serial_thread *); /* NULL: it sleeps */
    const volatile void *object, *object2;
    const volatile uint32_t *word; /* of the object's memory; NULL: none */
    bool is_on_word;               /* waits there for good */
    uint64_t seen[4];
    uint64_t deadline; /* of rw_serial_now() */
    bool is_signalled, is_interruptible, is_fd, is_interpreter_lock;
    uint64_t fired_at; /* interpreter lock: rw_serial.moves when its time last ran out */
    enum rw_serial_outcome outcome;
};

struct rw_serial {
    struct rw_serial_policy policy;
    uint32_t lock;                   /* futex; 0 free, 1 taken */
    struct rw_serial_thread *holder; /* of the token; NULL: nobody */
    bool is_idle;                    /* the holder waits for something to happen outside */
    bool is_stuck;      /* nobody can run, nor will by itself; atomic: who waits for its turn asks */
    bool has_strangers; /* threads that the model does not know */
    uint64_t now;       /* virtual ns of CLOCK_MONOTONIC */
    uint64_t steps;     /* points so far */
    uint64_t moves;     /* points of threads that did more than to wait for an interpreter's lock */
    uint64_t asks;      /* times that one which waits for such a lock was let ask for it: no points */
    uint32_t used;      /* entries ever used */
    uint32_t alive;     /* entries neither FREE nor ENDED */
    struct rw_serial_thread threads[RW_SERIAL_THREADS];
};

extern struct rw_serial rw_serial;

/* Of the current thread; `is_inside`: in the model now. */
struct rw_serial_self {
    struct rw_serial_thread *thread;
    bool is_inside;
};
extern __thread struct rw_serial_self rw_serial_self __attribute__((tls_model("initial-exec")));

/* In the constructor, when the process is recorded: turns the mode on. `replay`: a file whose choices are
 * made again, "" for none. */
void rw_serial_begin(uint64_t seed, const char *replay);
/* In a fork child, and where the mode must end: libc's functions again. */
void rw_serial_end(void);

/* Into the model and out of it. NULL: not the model's business. Inside, the caller holds the token and
 * rw_serial.lock. */
struct rw_serial_thread *rw_serial_enter(void);
void rw_serial_leave(struct rw_serial_thread *self);

/* Inside: a point. Another thread may run before it returns. `object`: what comes next is done to. */
void rw_serial_point(struct rw_serial_thread *self, const volatile void *object);

/* Inside, the same after an object was given back, or somebody was told something. */
void rw_serial_point_after(struct rw_serial_thread *self);

/* Outside, at a line of Python code, `source` as rw_serial_log_source() has it. True: another thread runs
 * next. The caller gives up the interpreter's lock that it holds, calls rw_serial_line_left(), which returns
 * when it may go on, and takes the lock again. */
bool rw_serial_line(uint32_t source, uint32_t line);
void rw_serial_line_left(void);

/* Inside: waits as self->is_ready, object, deadline and so on say, which rw_serial_wait_begin() resets. */
void rw_serial_wait_begin(struct rw_serial_thread *self, bool (*is_ready)(const struct rw_serial_thread *),
                          const volatile void *object, uint64_t deadline);
enum rw_serial_outcome rw_serial_wait(struct rw_serial_thread *self);

/* Inside: the current thread is done, or goes where the model does not see; somebody else gets the token, and
 * the model is left. */
void rw_serial_give_away(struct rw_serial_thread *self, enum rw_serial_state state);

/* Inside: the entry of a thread that is about to be made, NULL if there is none left. */
struct rw_serial_thread *rw_serial_new_thread(struct rw_serial_thread *creator);
void rw_serial_free_thread(struct rw_serial_thread *thread);
struct rw_serial_thread *rw_serial_find(pthread_t pthread);
/* By the new thread, first: waits for the token. */
void rw_serial_thread_runs(struct rw_serial_thread *thread);

/* A deadline of the program's, on the model's clock. */
uint64_t rw_serial_deadline(clockid_t clock, const struct timespec *deadline);

/* One for each family; puts its functions into rw_real. */
void rw_serial_sync_install(void);
void rw_serial_condition_install(void);
void rw_serial_life_install(void);
void rw_serial_time_install(void);

#endif
