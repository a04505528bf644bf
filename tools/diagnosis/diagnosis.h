/* SPDX-License-Identifier: MIT */
/*
 * From what is known to what it means: fills the incident's verdict and `also`, from nothing but the incident
 * itself. docs/verdicts.md says what each class means and when it is given.
 *
 * Allowed to be called again, for instance on an incident read from JSON: the old verdict is replaced.
 * Single-threaded use; aborts where memory runs out, as everything that builds incidents.
 */
#ifndef RACEWATCH_TOOLS_DIAGNOSIS_DIAGNOSIS_H
#define RACEWATCH_TOOLS_DIAGNOSIS_DIAGNOSIS_H

#include "tools/incident/incident.h"

void rw_diagnose(struct rw_incident *incident);

#endif
