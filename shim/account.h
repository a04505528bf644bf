/* SPDX-License-Identifier: MIT */
/*
 * What a test leaves behind: what is there is counted when it begins and when it ends, and what came in
 * between and stayed is written into the table of accounts. Internal to shim/.
 *
 * Only by who changes the table of tests and has it to itself (rw_tests_writing), between rw_enter() and
 * rw_leave(). Nothing is allocated, and no descriptor is opened: another thread would see its number taken,
 * and a fork at that moment would hand it on.
 */
#ifndef RACEWATCH_SHIM_ACCOUNT_H
#define RACEWATCH_SHIM_ACCOUNT_H

#include "shim/recording.h"

void rw_account_begin(void);
void rw_account_end(const struct rw_test *test);

#endif
