/* SPDX-License-Identifier: MIT */
/* What a look hands to its monitor, of any bytes: it is refused in words, or every report can be made of it.
 * Inputs are patches (fuzz.h) of an incident that was packed. */
#include <assert.h>
#include <stdio.h>
#include <talloc.h>

#include "tests/fuzz/in_memory.h"
#include "tools/diagnosis/diagnosis.h"
#include "tools/incident/json.h"
#include "tools/incident/model.h"
#include "tools/incident/packed.h"
#include "tools/report/report.h"

#define FIXTURE                                                                                              \
    "tests/unit/incident/fixtures/interpreter_destroy.json" /* in the folder that tests run in               \
                                                             */

static void open_packed(struct fuzz_patched *file)
{
    char *why = NULL, *bytes = NULL;
    size_t size = 0;
    struct rw_incident *incident = rw_incident_read(NULL, FIXTURE, 0, &why);
    assert(incident != NULL);
    FILE *out = open_memstream(&bytes, &size);
    assert(out != NULL);
    int error = rw_incident_pack(incident, out);
    assert(error == 0);
    fclose(out);
    talloc_free(incident);
    fuzz_patched_open(file, "packed", (const uint8_t *)bytes, size);
    fuzz_in_memory(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *patches, size_t size)
{
    static struct fuzz_patched file;
    if (file.good == NULL)
        open_packed(&file);
    fuzz_patch(&file, patches, size);
    char *why = NULL;
    struct rw_incident *incident = rw_incident_unpack(NULL, file.bytes, file.length, &why);
    assert((incident == NULL) == (why != NULL));
    fuzz_unpatch(&file, patches, size);
    talloc_free(why);
    if (incident == NULL)
        return 0;
    rw_incident_complete_names(incident);
    rw_diagnose(incident);
    rw_report_text(incident, fuzz_nowhere());
    talloc_free(incident);
    return 0;
}
