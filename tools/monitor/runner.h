/* SPDX-License-Identifier: MIT */
/* What a test runner is about to do to its own tests. */
#ifndef RACEWATCH_TOOLS_MONITOR_RUNNER_H
#define RACEWATCH_TOOLS_MONITOR_RUNNER_H

/* After how many seconds pytest-timeout ends a test of this process, by --timeout on its command line or by
 * PYTEST_TIMEOUT; 0 where nothing says so. */
double rw_runner_timeout_s(int pid);

#endif
