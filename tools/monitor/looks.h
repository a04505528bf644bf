/* SPDX-License-Identifier: MIT */
/*
 * The looks that the rules ask for, one at a time, and what is made of them: two of them a moment apart tell
 * stuck from slow; what is the same hang in both becomes an incident. The looks run beside the monitor
 * (capture.h), which calls rw_looks_step whenever a descriptor or the time says so.
 */
#ifndef RACEWATCH_TOOLS_MONITOR_LOOKS_H
#define RACEWATCH_TOOLS_MONITOR_LOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/monitor/capture.h"
#include "tools/monitor/publish.h"
#include "tools/monitor/triggers.h"

struct rw_looks;

struct rw_looks *rw_looks_new(void *parent, struct rw_publisher *publisher, struct rw_triggers *triggers,
                              const char *command);
void rw_looks_set_command(struct rw_looks *looks, const char *command);

bool rw_looks_busy(const struct rw_looks *looks);
/* A look is under way that has no time to lose: at the dying, or before a signal. */
bool rw_looks_in_haste(const struct rw_looks *looks);
int rw_looks_fd(const struct rw_looks *looks); /* to poll for reading, or -1 */
uint64_t
rw_looks_due_ns(const struct rw_looks *looks); /* when to step at the latest, UINT64_MAX: no such time */

/* What is to look instead of rw_capture_now. */
typedef struct rw_incident *rw_look_fn(void *parent, const struct rw_capture_plan *plan);
void rw_looks_set_look(struct rw_looks *looks, rw_look_fn *look);

/* Begins with what is wanted. A look under way is given up: its rule will ask again. */
void rw_looks_begin(struct rw_looks *looks, const struct rw_want *want, uint64_t now_ns);

void rw_looks_step(struct rw_looks *looks, uint64_t now_ns);

/* Steps until nothing is under way, for at most `limit_ns`. */
void rw_looks_finish(struct rw_looks *looks, uint64_t limit_ns);

/* The process of an image is gone: what was held back for it is told or dropped. */
void rw_looks_gone(struct rw_looks *looks, const struct rw_watched *watched, uint64_t now_ns);

#endif
