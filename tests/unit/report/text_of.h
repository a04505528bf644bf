/* SPDX-License-Identifier: MIT */
/* Reports as text. Everything is static: each test is a program of its own. */
#ifndef RACEWATCH_TESTS_UNIT_REPORT_TEXT_OF_H
#define RACEWATCH_TESTS_UNIT_REPORT_TEXT_OF_H

#include "tests/unit/incident/fixtures.h"
#include "tools/diagnosis/diagnosis.h"
#include "tools/report/report.h"

/* The report; the caller frees it. */
static char *text_of(const struct rw_incident *incident)
{
    static char *text; /* the stream keeps its address: GCC 12 takes a local one's for what it points to */
    static size_t length;
    FILE *file = open_memstream(&text, &length);

    assert_int_equal(rw_report_text(incident, file), 0);
    fclose(file);
    return text;
}

static struct rw_incident *diagnosed(const char *name)
{
    struct rw_incident *incident = fixture(name);

    rw_diagnose(incident);
    return incident;
}

#endif
