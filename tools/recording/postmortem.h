/* SPDX-License-Identifier: MIT */
/*
 * An incident from recordings alone, after every process and the monitor are gone: `racewatch report DIR` on what a
 * SIGKILL left.
 */
#ifndef RACEWATCH_TOOLS_RECORDING_POSTMORTEM_H
#define RACEWATCH_TOOLS_RECORDING_POSTMORTEM_H

#include "tools/incident/incident.h"
#include "tools/recording/print.h"

/*
 * Reads all recordings (*.rec) of a session's folder into a new incident, a talloc child of `parent`, with trigger
 * "post-mortem". A process is the newest image of its pid; the images before, which ended by exec, are noted. A
 * process whose recording says that it ended in order has its milestones and its history, and no threads; one that
 * still runs has is_alive set (a live dump tells more of it). Of all others it is said that they were killed or
 * crashed. For each thread that was waiting, native[] is unwound from the stack copy in the recording
 * (stack_source "recording"), with the .maps files beside the recordings and the ELF files where they still
 * are what they were; elsewhere a frame is module + offset, or a bare pc.
 *
 * now_ns is the latest moment that the recordings know of (the monitor's last look, else the last event): times
 * since then are not known, and a note says so. No verdict is made: call rw_diagnose() next.
 *
 * 0; -ENOENT: no folder, or no recording in it that can be read; or another negative errno. *why is then a talloc
 * child of `parent`, one message for people; else NULL. A recording that cannot be read is a note, not an error.
 */
int rw_postmortem(const char *session_folder, void *parent, struct rw_incident **incident, char **why);

#endif
