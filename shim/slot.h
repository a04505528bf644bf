/* SPDX-License-Identifier: MIT */
/*
 * The table of thread slots: who has which. The shim's own books about it are in private memory; the
 * recording holds what is told to the reader. Internal to shim/; no function here blocks for longer than
 * another thread takes to grow the file.
 *
 * A slot is free again when three things have happened, in any order: its thread ended, its creator is done
 * with it, and it was joined or detached. Whoever brings the last one frees it.
 */
#ifndef RACEWATCH_SHIM_SLOT_H
#define RACEWATCH_SHIM_SLOT_H

#include <pthread.h>
#include <threads.h>

#include "shim/self.h"

#define RW_NO_SLOT UINT32_MAX

enum rw_slot_step {
    RW_STEP_ENDED = 1u << 0,
    RW_STEP_CREATOR_DONE = 1u << 1,
    RW_STEP_REAPED = 1u << 2, /* joined, or detached */
};

/* What a new thread needs to know; one for each slot. */
struct rw_launch {
    union {
        void *(*start)(void *);
        thrd_start_t start_c11;
    };
    void *argument;
    uint64_t pthread;          /* 0 until creator or thread stored it; atomic */
    struct rw_slot_area *area; /* the slot in the recording */
    size_t stack_size;
    uint64_t place; /* see perturb.h */
    uint32_t slot;
    uint32_t generation;
    uint32_t steps;      /* enum rw_slot_step; atomic */
    uint32_t misuse;     /* the entry that waits for what becomes of this thread, plus one; 0 none; atomic */
    int32_t joiner_tid;  /* who is joining it now, 0 nobody; atomic */
    int32_t adopted_tid; /* of a thread that was adopted and not yet seen to be gone; atomic */
};

/* Takes a free slot; NULL if there is none, which is counted in rw_header.slots_refused. Its page is zero but
 * for the sequence counters and the generation. */
struct rw_launch *rw_slot_take(void);

/* Gives back a slot whose thread never came to be. */
void rw_slot_give_back(struct rw_launch *launch);

/* Records that steps of the slot's life are done; frees the slot when the last of them is. */
void rw_slot_step(struct rw_launch *launch, uint32_t steps);

/* The slot of a thread, NULL if it has none. */
struct rw_launch *rw_slot_find(uint64_t pthread);

/* The slot of a thread of this process that has not ended, by its tid; NULL if there is none. Looks through
 * all. */
struct rw_launch *rw_slot_of_tid(int32_t tid);

/* A thread that waits for that object in a wrapped call of that kind; NULL if there is none. */
struct rw_launch *rw_slot_waiting(enum rw_wait_kind kind, const volatile void *object);

/* Makes the handle known to rw_slot_find(). */
void rw_slot_set_pthread(struct rw_launch *launch, uint64_t pthread);

struct rw_launch *rw_slot_launch(uint32_t slot);

/* How many slots were ever in use: from there on they are nobody's. */
uint32_t rw_slot_count(void);

/* A thread that was created and has not ended. */
bool rw_slot_is_alive(const struct rw_slot *slot);

/* In a fresh recording: forgets all slots and gives slot 0 to this thread. */
void rw_slot_begin_with(struct rw_self *self, uint64_t now);

#endif
