/* SPDX-License-Identifier: MIT */
/* Incidents written by hand, each a hang as it happens in the field; for the tests of all that works on them.
 */
#ifndef RACEWATCH_TESTS_UNIT_INCIDENT_FIXTURES_H
#define RACEWATCH_TESTS_UNIT_INCIDENT_FIXTURES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <talloc.h>

#include "tools/incident/json.h"
#include "tools/incident/model.h"

#define FIXTURES "tests/unit/incident/fixtures/"

static const char *const fixture_names[] = {"two_locks",     "interpreter_destroy", "join_recv", "gil_mutex",
                                            "leaked_thread", "self_deadlock",       "idle_pool", "slow"};
#define FIXTURE_COUNT (sizeof fixture_names / sizeof *fixture_names)

/* The incident of a fixture; the caller frees it. */
static inline struct rw_incident *fixture(const char *name)
{
    char *path = talloc_asprintf(NULL, FIXTURES "%s.json", name);
    char *why = NULL;
    struct rw_incident *incident = rw_incident_read(NULL, path, 0, &why);

    if (!incident)
        print_error("%s\n", why);
    assert_non_null(incident);
    talloc_free(path);
    return incident;
}

static inline struct rw_thread *thread_of(struct rw_incident *incident, int tid)
{
    struct rw_thread *thread = rw_process_find_thread(&incident->processes[0], tid);

    assert_non_null(thread);
    return thread;
}

#endif
