/* SPDX-License-Identifier: MIT */
/* What a schedule's threads and switches are called. */
#ifndef RACEWATCH_TOOLS_POSTMORTEM_SCHEDULE_WORDS_H
#define RACEWATCH_TOOLS_POSTMORTEM_SCHEDULE_WORDS_H

#include "tools/incident/incident.h"
#include "tools/recording/schedule_file.h"

struct rw_schedule_words;

/* `path` is the schedule's, beside which the maps lie that name places in native code; `incident` (may be
 * NULL) knows names of the threads. All must outlive it; a talloc child of `parent`. */
struct rw_schedule_words *rw_schedule_words(void *parent, const struct rw_schedule *schedule,
                                            const char *path, const struct rw_incident *incident);

/* "main thread", "'Thread-1 (move)'", "thread 2". Talloc children of the words, as all below. */
const char *rw_schedule_thread_name(struct rw_schedule_words *words, uint32_t thread);

/* Where a thread was at a switch: "bank.py:21 in move", "main.c:17 in take", "take (a.out+0x12)", or an
 * address. */
const char *rw_schedule_place(struct rw_schedule_words *words, const struct rw_schedule_switch *item);

#endif
