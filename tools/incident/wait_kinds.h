/* SPDX-License-Identifier: MIT */
/*
 * What the closed list of wait kinds (struct rw_wait_on) means: how a sentence speaks of each, and what its
 * owner is. One table, for the diagnosis and the reports alike.
 */
#ifndef RACEWATCH_TOOLS_INCIDENT_WAIT_KINDS_H
#define RACEWATCH_TOOLS_INCIDENT_WAIT_KINDS_H

#include "tools/incident/incident.h"

/* What must happen before the wait can end. */
enum rw_wait_end {
    RW_ENDS_UNKNOWN = 0,
    RW_ENDS_BY_RELEASE, /* the owner lets go */
    RW_ENDS_BY_EXIT,    /* the owner (the thread joined) ends */
    RW_ENDS_BY_BEGIN,   /* the owner (the thread started) begins */
    RW_ENDS_BY_SIGNAL,  /* some thread of the process sets, posts, puts or notifies: nobody owns it */
    RW_ENDS_BY_INPUT,   /* something from outside: a descriptor, a signal, another process */
    RW_ENDS_BY_TIME,
    RW_ENDS_NEVER,
};

struct rw_wait_kind {
    const char *kind;
    enum rw_wait_end ends;
    const char *phrase;  /* "waits for lock"; what is waited for follows */
    bool blocks_owner;   /* the owner itself blocks when it asks again: not recursive */
    bool owner_is_guess; /* who took it last need not be who must let go */
    bool is_run;         /* its owner does not hold it, but runs it: an initialisation */
};

/* Never NULL: a kind that is not on the list ends in a way that is not known. */
const struct rw_wait_kind *rw_wait_kind_of(const struct rw_wait_on *wait);

#endif
