/* SPDX-License-Identifier: MIT */
/*
 * An incident from recordings alone, after every process and the monitor are gone: `racewatch report DIR` on
 * what a SIGKILL left.
 */
#ifndef RACEWATCH_TOOLS_POSTMORTEM_POSTMORTEM_H
#define RACEWATCH_TOOLS_POSTMORTEM_POSTMORTEM_H

#include "tools/incident/incident.h"
#include "tools/recording/reader.h"

/*
 * Reads all recordings (*.rec) of a session's folder into a new incident, a talloc child of `parent`, with
 * trigger "post-mortem"; see rw_postmortem_process for what is told of each process. A process is the newest
 * image of its pid; the images before, which ended by exec, are noted. Processes are in the order of their
 * beginnings.
 *
 * now_ns is the latest moment that the recordings know of (the monitor's last look, else the last event):
 * times since then are not known, and a note says so. No verdict is made: call rw_diagnose() next.
 *
 * *all_ended: where every process whose recording can be read ended in order, or went on as another program,
 * a sentence that says so (a child of the incident); else NULL.
 *
 * 0; -ENOENT: no folder, or no recording in it that can be read; or another negative errno. *why is then a
 * talloc child of `parent`, one message for people; else NULL. A recording that cannot be read is a note, not
 * an error.
 */
int rw_postmortem(const char *session_folder, void *parent, struct rw_incident **incident,
                  const char **all_ended, char **why);

/*
 * The same for one process, from its recording and the maps that were saved beside it ("<recording, without
 * .rec>.maps"; where there are none, frames are bare addresses and a note says so).
 *
 * A process that ended in order, or went on as another program, gets its milestones and its history, and no
 * threads. One that still runs has is_alive set (a live dump tells more of it). Of all others a note says
 * that they were killed or crashed. For each thread that was waiting, native[] is unwound from the stack copy
 * in the recording (stack_source "recording"), with the mapped ELF files where they still are what they were.
 * The incident's now_ns must be set. *has_ended: it ended in order, or went on as another program.
 */
int rw_postmortem_process(struct rw_incident *incident, struct rw_process_info *process,
                          struct rw_reader *reader, bool *has_ended);

/*
 * Once all processes are in the incident: a lock of one that is gone may have its owner in another one. Where
 * it lies in shared memory and no process of the incident has its owner, that is not known: not every process
 * need have been recorded. `spaces` names each process' PID namespace, in their order; NULL: all have one.
 */
void rw_postmortem_find_owners(struct rw_incident *incident, const char *const *spaces);

/* The latest moment of which a recording tells, in ns of its CLOCK_MONOTONIC. */
uint64_t rw_recording_latest_ns(struct rw_reader *reader);

#endif
