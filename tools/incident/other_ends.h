/* SPDX-License-Identifier: MIT */
/* Which other processes can end a thread's wait: those that have the other end of its pipe, or its file lock.
 */
#ifndef RACEWATCH_TOOLS_INCIDENT_OTHER_ENDS_H
#define RACEWATCH_TOOLS_INCIDENT_OTHER_ENDS_H

#include "tools/incident/incident.h"

/* A connection that nobody has accepted yet: its holders are those that have the socket that listens. */
bool rw_is_not_accepted(const struct rw_channel *channel);

/* Each such process once, that of the waiting thread apart. Returns how many; *holders is a talloc array
 * under `ctx` of pointers into the wait, NULL where there are none. */
size_t rw_other_ends(void *ctx, const struct rw_process_info *process, const struct rw_wait_on *wait,
                     const struct rw_holder ***holders);

/* "the lock is held by process 12 (sleep)", "the other end is open in process 12 (sleep) and 2 more"; NULL
 * where there are none, or where the wait is for the process itself. */
char *rw_other_ends_words(void *ctx, const struct rw_process_info *process, const struct rw_wait_on *wait);

#endif
