/* SPDX-License-Identifier: MIT */
/*
 * The incident as JSON: incident.json. docs/incident-json.md says what each field means.
 *
 * What is not known is left out, but for the names that programs rely on: those are there as null. Addresses
 * are strings "0x..". A time is written twice: NAME_ns, of the machine's monotonic clock, and NAME_s, the
 * seconds that lie between it and the moment of the incident. Bytes that are not UTF-8 are written as \xNN.
 *
 * Reading and writing is the identity: an incident read from its own JSON writes the same JSON again.
 */
#ifndef RACEWATCH_TOOLS_INCIDENT_JSON_H
#define RACEWATCH_TOOLS_INCIDENT_JSON_H

#include <jansson.h>
#include <stdio.h>

#include "tools/incident/incident.h"

/* How to dump it: readable, and with as many digits as a time has a meaning. */
#define RW_JSON_FLAGS (JSON_INDENT(1) | JSON_REAL_PRECISION(12) | JSON_ENSURE_ASCII)

/* A new reference. Aborts where memory runs out, as everything that builds incidents. */
json_t *rw_incident_to_json(const struct rw_incident *incident);

/* One account of a test alone, as index.json has it; times are told up to `now_ns`. And back: false where it
 * is none. Its strings are the incident's. */
json_t *rw_test_account_to_json(const struct rw_test_account *account, uint64_t now_ns);
bool rw_test_account_from_json(struct rw_incident *incident, const json_t *json,
                               struct rw_test_account *account);

/* The incident of `json`, which may come from anybody: a child of `parent`, or NULL with a message in *why
 * (a child of `parent` too). Unknown names are passed over, so that later versions may add some. */
struct rw_incident *rw_incident_from_json(void *parent, const json_t *json, char **why);

/* To and from a file. 0 or a negative errno of the write; NULL and *why as above. `flags`: O_NOFOLLOW for one
 * that was found in a folder, else 0. Nothing but a regular file is opened. */
int rw_incident_write(const struct rw_incident *incident, FILE *file);
struct rw_incident *rw_incident_read(void *parent, const char *path, int flags, char **why);

#endif
