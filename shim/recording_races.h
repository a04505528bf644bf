/* SPDX-License-Identifier: MIT */
/*
 * The part of the recording that tells of misuses. Included by recording.h, which is the contract, and by
 * nobody else.
 */
#ifndef RACEWATCH_SHIM_RECORDING_RACES_H
#define RACEWATCH_SHIM_RECORDING_RACES_H

#include <stdint.h>

#define RW_MISUSE_MAX 64u /* misuses remembered */
#define RW_THREAD_NAME_MAX 16u

/* What a thread did to a thread, a lock or an interpreter that must not be done to it in that state. "Other"
 * is who or what it was done to: see each kind. */
enum rw_misuse_kind {
    RW_MISUSE_NONE = 0,
    /* A thread was created after the end of the program began. tid: its creator; other: the thread, and its
     * start routine. object: slot index | generation << 32; arg: enum rw_ending, other_ns: when that began.
     */
    RW_MISUSE_LATE_THREAD,
    /* A thread began to destroy an interpreter that another one was destroying. object: the interpreter, arg:
     * its id; other: who began first, other_ns: when. */
    RW_MISUSE_INTERPRETER_AGAIN,
    /* object: the pthread_t; other: who joined or detached it before. */
    RW_MISUSE_JOIN_JOINED,
    RW_MISUSE_JOIN_DETACHED,
    RW_MISUSE_DETACH_GONE, /* detached after it was joined, or detached and had ended */
    /* object: what was destroyed; other: who holds it or waits for it. */
    RW_MISUSE_MUTEX_DESTROYED,
    RW_MISUSE_CONDITION_DESTROYED,
    RW_MISUSE_SEMAPHORE_DESTROYED,
    RW_MISUSE_FOREIGN_UNLOCK, /* object: a mutex; other: its owner */
    /* A fork child asked in vain for a mutex, or a read-write lock that was held for writing, that another
     * thread of its parent held at the fork. other: that thread, which is none of this process. */
    RW_MISUSE_FORK_LOCK,
    /* A thread destroyed an interpreter in which Python had made another one that had not ended. object: the
     * interpreter, arg: its id; other_ns: when that thread was created. */
    RW_MISUSE_INTERPRETER_OUTLIVED,
    RW_MISUSE_KINDS,
};

enum rw_ending { RW_ENDING_MAIN_RETURNED = 1, RW_ENDING_EXIT, RW_ENDING_FINALIZE };

/* What came of it, where that decides whether it was one. */
enum rw_misuse_outcome {
    RW_OUTCOME_OPEN = 0, /* it stands; of a thread: it has not ended */
    RW_OUTCOME_WELL,     /* it came to nothing: the thread returned or was joined, the destruction was over at
                            once */
    RW_OUTCOME_CUT,      /* the thread was ended by pthread_exit or cancellation */
};

struct rw_misuse {
    uint32_t sequence;
    uint32_t kind;    /* enum rw_misuse_kind; RW_MISUSE_NONE: free */
    uint32_t count;   /* how often it was done from the same two places */
    uint32_t outcome; /* enum rw_misuse_outcome */
    uint64_t time_ns; /* of the first time */
    uint64_t object;
    uint64_t arg;
    uint64_t return_address; /* of the call that did it */
    uint64_t other_ns;
    uint64_t other_return_address; /* 0 where not known */
    int32_t tid;
    int32_t other_tid; /* 0 where not known */
    char name[RW_THREAD_NAME_MAX];
    char other_name[RW_THREAD_NAME_MAX];
};

#endif
