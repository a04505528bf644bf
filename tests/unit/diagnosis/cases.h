/* SPDX-License-Identifier: MIT */
/* What the tests of the diagnosis share: incidents made of nothing but waits, and what must be said of them.
 */
#ifndef RACEWATCH_TESTS_UNIT_DIAGNOSIS_CASES_H
#define RACEWATCH_TESTS_UNIT_DIAGNOSIS_CASES_H

#include "tests/unit/incident/fixtures.h"
#include "tools/diagnosis/diagnosis.h"

static inline const struct rw_culprit *culprit(const struct rw_incident *incident, int tid)
{
    for (size_t i = 0; i < incident->verdict.culprit_count; i++)
        if (incident->verdict.culprits[i].tid == tid)
            return &incident->verdict.culprits[i];
    return NULL;
}

static inline void expect(const struct rw_incident *incident, const char *class_name,
                          enum rw_certainty certainty)
{
    if (strcmp(incident->verdict.class_name, class_name) != 0 || incident->verdict.certainty != certainty)
        print_error("%s\n", incident->verdict.sentence);
    assert_string_equal(incident->verdict.class_name, class_name);
    assert_int_equal(incident->verdict.certainty, certainty);
}

static inline void expect_in_sentence(const struct rw_incident *incident, const char *text)
{
    if (!strstr(incident->verdict.sentence, text))
        print_error("\"%s\" is not in \"%s\"\n", text, incident->verdict.sentence);
    assert_non_null(strstr(incident->verdict.sentence, text));
}

/* A process with `count` threads from tid 100 on, each alive and waiting for nothing. */
static inline struct rw_incident *bare(int count)
{
    struct rw_incident *incident = rw_incident_new(NULL);
    struct rw_process_info *process = rw_incident_add_process(incident, 100);

    incident->now_ns = 1000000000000;
    incident->trigger = "no-progress";
    process->is_alive = true;
    for (int i = 0; i < count; i++) {
        struct rw_thread *thread = rw_process_thread(incident, process, 100 + i);

        thread->is_alive = true;
        thread->os_state = 'S';
        thread->state = "waiting";
    }
    return incident;
}

static inline struct rw_wait_on *waits(struct rw_incident *incident, int tid, const char *kind, int owner)
{
    struct rw_wait_on *wait = rw_thread_wait_on(incident, thread_of(incident, tid));

    wait->kind = kind;
    wait->object = 0x1000 + (unsigned)tid;
    wait->since_ns = incident->now_ns - 5000000000;
    wait->owner.tid = owner;
    wait->owner.certainty = owner > 0 ? RW_EXACT : RW_UNKNOWN;
    return wait;
}

#endif
