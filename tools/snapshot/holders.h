/* SPDX-License-Identifier: MIT */
/*
 * Who holds what: one walk over the descriptors (and, where it is asked for, the mappings) of all processes
 * that can be seen, for any number of questions. For this folder.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_HOLDERS_H
#define RACEWATCH_TOOLS_SNAPSHOT_HOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/incident/incident.h"

/* Processes looked into; further ones are not, and then no answer is complete. Measured: some 25 us each. */
#define RW_HOLDERS_PROCESSES_MAX 4096

struct rw_held_by {
    const char *target; /* as rw_descriptor.target; NULL for memory */
    uint64_t inode;     /* of an eventfd, of a pseudo-terminal's master (descriptor.h), or of mapped memory */
    bool needs_read, needs_write; /* how it must be open; neither: in any way */
    bool needs_lock;              /* the descriptor must have a file lock */
    int waiter;                   /* process that waits */
    struct rw_channel *channel;   /* gets the holders, is_complete and note */
    bool is_elsewhere;            /* the answer: one of the holders is in another PID namespace */
};

/* Answers all questions at once; equal ones get one list of holders, which their channels share. racewatch's
 * own processes are left out: they neither read nor write. */
void rw_holders_find(struct rw_incident *incident, struct rw_held_by *questions, size_t count);

#endif
