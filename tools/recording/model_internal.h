/* SPDX-License-Identifier: MIT */
/* What the files that fill the model from a recording share. */
#ifndef RACEWATCH_TOOLS_RECORDING_MODEL_INTERNAL_H
#define RACEWATCH_TOOLS_RECORDING_MODEL_INTERNAL_H

#include "tools/basics/need.h"
#include "tools/incident/model.h"
#include "tools/recording/model.h"

struct rw_described; /* cache of code addresses that were described */

/* One run of rw_recording_fill. */
struct rw_fill {
    struct rw_incident *incident;
    struct rw_process_info *process;
    struct rw_reader *reader;
    const struct rw_header *header;
    rw_describe_fn describe;
    void *describe_ctx;
    struct rw_described *described;
    void *scratch; /* talloc context that ends with the run */

    struct rw_slot *slots; /* copies of all; state FREE where there is none */
    unsigned slot_count;
    /* Those that are not free, by pthread; of one pthread the youngest first. */
    const struct rw_slot **by_pthread;
    unsigned by_pthread_count;
    size_t history_max;                  /* transitions told of one thread */
    struct rw_interpreter *interpreters; /* in the order of the table, FREE ones left out */
    unsigned interpreter_count;
};

/* Describes a code address once; NULL where nothing is known or the address is 0. */
const char *rw_fill_describe(struct rw_fill *fill, uint64_t address);

/* The slot that had this pthread_t at this moment; NULL if none is known. pthread_t's are used again, and so
 * are slots: only a thread that was created before and was not gone yet is meant. */
const struct rw_slot *rw_fill_slot_of_pthread(const struct rw_fill *fill, uint64_t pthread, uint64_t at_ns);

/* The slot if it still is of that generation, else NULL. */
const struct rw_slot *rw_fill_slot_of(const struct rw_fill *fill, uint32_t index, uint32_t generation);

/* The id of the interpreter that had this address at this moment; -1 if not known. `id`: as recorded. */
int64_t rw_fill_interpreter_id(const struct rw_fill *fill, uint64_t address, uint64_t id, uint64_t at_ns);

/* "thread 4242 'worker-1'"; for NULL "a thread that is gone (pthread_t 0x7f..)". */
char *rw_fill_thread_text(struct rw_fill *fill, const struct rw_slot *slot, uint64_t pthread);

/* waits.c: sets thread->waits_on from slot->wait; the slot is WAITING. */
void rw_fill_wait(struct rw_fill *fill, struct rw_thread *thread, const struct rw_slot *slot);
/* "mutex 0x7f..", "the end of thread 7 'w'", for a recorded wait kind and its object. */
char *rw_fill_wait_text(struct rw_fill *fill, uint32_t wait_kind, uint64_t object, uint64_t at_ns);

/* misuses.c: the table of misuses. */
void rw_fill_misuses(struct rw_fill *fill);

/* history.c: adds the slot's events to thread (may be NULL), and the lifecycle ones to the process. */
void rw_fill_history(struct rw_fill *fill, unsigned index, struct rw_thread *thread);
/* Sorts the process's history by time, and keeps the newest where it is too long. */
void rw_fill_order_history(struct rw_fill *fill);

#endif
