/* SPDX-License-Identifier: MIT */
/*
 * Reports, made from an incident and nothing else.
 *
 * Bytes of the watched program that are no characters, or that would talk to a terminal, are written as \xNN.
 * Single-threaded use; aborts where memory runs out, as everything that builds incidents.
 */
#ifndef RACEWATCH_TOOLS_REPORT_REPORT_H
#define RACEWATCH_TOOLS_REPORT_REPORT_H

#include <stdio.h>

#include "tools/incident/incident.h"

/* report.txt: all there is, for people, the answer first. 0, or a negative errno of the write. */
int rw_report_text(const struct rw_incident *incident, FILE *file);

/* For a CI's summary page: the answer, and the threads folded away; at most `max_bytes` bytes, cut at a whole
 * part and saying so. 0, -ENOSPC if not even the answer fits (nothing is written then), or a negative errno.
 */
int rw_report_markdown(const struct rw_incident *incident, FILE *file, size_t max_bytes);

/* What tests left behind, a line for each of `count` accounts; nothing where there are none. 0, or a negative
 * errno of the write. */
int rw_report_accounts(const struct rw_test_account *accounts, size_t count, FILE *file);

#endif
