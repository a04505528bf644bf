/* SPDX-License-Identifier: MIT */
/*
 * The part of the recording that tells in which order locks were taken. Included by recording.h, which is the
 * contract, and by nobody else.
 */
#ifndef RACEWATCH_SHIM_RECORDING_ORDERS_H
#define RACEWATCH_SHIM_RECORDING_ORDERS_H

#include "shim/recording_capture.h"
#include "shim/recording_races.h"

#define RW_LOCK_EDGE_MAX 1024u /* pairs of locks, one taken under the other, that are remembered */
#define RW_LOCK_STACK_COUNT 256u
#define RW_LOCK_GATE_MAX 4u
#define RW_LOCK_MEET_MAX 16u
#define RW_LOCK_STACK_MAX 3008u /* bytes */
#define RW_LOCK_FRAME_MAX 3u    /* Python frames, the innermost first */

enum rw_lock_edge_flag {
    RW_EDGE_FROM_SHARED = 1u << 0, /* held as a reader */
    RW_EDGE_TO_SHARED = 1u << 1,   /* taken as a reader */
    /* A thread that did not have the lock gave it back, or more than one had it at a time: what looks like a
     * lock is a signal or a counter, and orders nothing. May be set later, without the counter. */
    RW_EDGE_FROM_SIGNAL = 1u << 2,
    RW_EDGE_TO_SIGNAL = 1u << 3,
    RW_EDGE_GONE = 1u << 4, /* a free entry */
};

enum rw_lock_kind {
    RW_LOCK_KIND_LIBC = 0, /* a mutex or a read-write lock: object is its address */
    RW_LOCK_KIND_SEMAPHORE,
    RW_LOCK_KIND_PYTHON, /* a threading.Lock or RLock: the Python object */
    RW_LOCK_KIND_GIL,    /* the mutex in the struct that keeps it */
    RW_LOCK_KINDS,
};

/* A thread took the lock `to`, not by trying, while it held `from`. */
struct rw_lock_edge {
    uint32_t sequence;
    uint32_t flags; /* enum rw_lock_edge_flag */
    uint64_t time_ns;
    uint64_t from, to;
    uint32_t from_generation, to_generation; /* tell locks apart that had one address in turn */
    uint8_t from_kind, to_kind;              /* enum rw_lock_kind */
    uint16_t gate_count;
    uint32_t reserved;
    uint64_t from_return_address, to_return_address; /* 0 for Python's locks */
    uint32_t from_stack, to_stack;                   /* entries of struct rw_lock_stack, plus one; 0: none */
    int32_t tid;
    uint32_t meet_count;              /* stored without the counter, as `meets` are */
    uint64_t gates[RW_LOCK_GATE_MAX]; /* what else it held, exclusively */
    /* Numbers of entries, from 0 on, of other threads, that may be of one ring with this one and that nothing
     * but the locks kept apart. Each two are told in one of them. */
    uint16_t meets[RW_LOCK_MEET_MAX];
    char name[RW_THREAD_NAME_MAX];
};

struct rw_lock_frame {
    char file[160]; /* the end of it, where it is longer */
    char function[64];
    int32_t line; /* 0 not known */
};

/* Where a lock was taken: by the thread, as it had just got it. One for all edges of one thread that took it
 * by the same call at the same depth; it is of the first time. */
struct rw_lock_stack {
    uint32_t sequence;
    uint32_t frame_count; /* of Python; 0 where there is none, or where it could not be had */
    uint64_t key;         /* of lock, call, depth and thread */
    struct rw_lock_frame frames[RW_LOCK_FRAME_MAX];
    struct rw_capture capture;
    unsigned char stack[RW_LOCK_STACK_MAX];
};

_Static_assert(sizeof(struct rw_lock_stack) <= 4096, "a page for each at most");

#endif
