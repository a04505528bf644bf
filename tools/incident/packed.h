/* SPDX-License-Identifier: MIT */
/*
 * The incident as bytes, from one process of racewatch to another of the same build: what a look hands to its
 * monitor. The same members go as into incident.json, by the same tables, and arrive as they would from
 * there; a string that many threads share goes once, and is one string afterwards.
 */
#ifndef RACEWATCH_TOOLS_INCIDENT_PACKED_H
#define RACEWATCH_TOOLS_INCIDENT_PACKED_H

#include <stdio.h>

#include "tools/incident/incident.h"

/* 0 or a negative errno of the write. */
int rw_incident_pack(const struct rw_incident *incident, FILE *file);

/* The incident that was packed, a child of `parent`; NULL with a message in *why (a child of `parent` too)
 * for bytes that rw_incident_pack did not write. */
struct rw_incident *rw_incident_unpack(void *parent, const void *bytes, size_t length, char **why);

#endif
