/* SPDX-License-Identifier: MIT */
#ifndef RACEWATCH_TOOLS_MONITOR_PRIVILEGES_H
#define RACEWATCH_TOOLS_MONITOR_PRIVILEGES_H

/*
 * Gives up what watching does not need, for this process and for good: gaining privileges by an exec, and,
 * where it has capabilities, all but those that looking at a process and writing about it take. Nothing that
 * was started before is concerned. Never fails: what the kernel does not take back stays.
 */
void rw_privileges_drop(void);

#endif
