/* SPDX-License-Identifier: MIT */
/*
 * Evidence taken before a runner's own time-out, held back until the time-out comes: a test that ends in time
 * leaves nothing.
 */
#ifndef RACEWATCH_TOOLS_MONITOR_HELD_H
#define RACEWATCH_TOOLS_MONITOR_HELD_H

#include "tools/monitor/publish.h"
#include "tools/monitor/triggers.h"

struct rw_held;

struct rw_held *rw_held_new(void *parent, struct rw_publisher *publisher);

/* Takes the incident over. `want` names the process and its test. */
void rw_held_add(struct rw_held *held, struct rw_incident *incident, const struct rw_want *want);

uint64_t rw_held_due_ns(const struct rw_held *held); /* UINT64_MAX: nothing is held */

/* Tells what has become due, drops what ended in time. */
void rw_held_step(struct rw_held *held, uint64_t now_ns);

/* The process ended: while its test ran, by the runner's hand or not, the evidence is wanted. */
void rw_held_gone(struct rw_held *held, const struct rw_watched *watched, uint64_t now_ns);

#endif
