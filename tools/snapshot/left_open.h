/* SPDX-License-Identifier: MIT */
/* Descriptors that tests left open: whether they still are. */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_LEFT_OPEN_H
#define RACEWATCH_TOOLS_SNAPSHOT_LEFT_OPEN_H

#include "tools/incident/incident.h"

/* Takes those out of the account that are closed by now, or lead to something else. For a process that lives;
 * what cannot be looked at stays. */
void rw_left_open_check(int pid, struct rw_test_account *account);

#endif
