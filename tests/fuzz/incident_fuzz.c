/* SPDX-License-Identifier: MIT */
/* An incident.json of anybody's: it is refused in words, or every report can be made of it, and it can be
 * written and read again. */
#include <assert.h>
#include <jansson.h>
#include <talloc.h>

#include "tests/fuzz/fuzz.h"
#include "tools/diagnosis/diagnosis.h"
#include "tools/incident/json.h"
#include "tools/incident/model.h"
#include "tools/report/report.h"

#define MARKDOWN_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    json_t *json = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, NULL);
    if (json == NULL)
        return 0;
    char *why = NULL;
    struct rw_incident *incident = rw_incident_from_json(NULL, json, &why);
    assert((incident == NULL) == (why != NULL));
    talloc_free(why);
    json_decref(json);
    if (incident == NULL)
        return 0;
    rw_report_text(incident, fuzz_nowhere());
    rw_report_markdown(incident, fuzz_nowhere(), MARKDOWN_MAX);
    rw_incident_complete_names(incident);
    rw_diagnose(incident);
    rw_report_text(incident, fuzz_nowhere());
    json_t *written = rw_incident_to_json(incident);
    struct rw_incident *again = rw_incident_from_json(incident, written, &why);
    assert(again != NULL);
    json_decref(written);
    talloc_free(incident);
    return 0;
}
