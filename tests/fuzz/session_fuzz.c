/* SPDX-License-Identifier: MIT */
/*
 * A session's folder that a kill left, of any bytes: a report is made of it, or it is refused in words.
 * Inputs are patches (fuzz.h) of one of two recordings, or with the bit 64 in their last byte of the maps
 * beside it.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "tests/fuzz/in_memory.h"
#include "tests/unit/recording/make_recording.h"
#include "tools/diagnosis/diagnosis.h"
#include "tools/incident/accounts.h"
#include "tools/incident/model.h"
#include "tools/postmortem/postmortem.h"
#include "tools/report/report.h"

#define GONE_PID 0x3ffffff /* no process has such a pid */
#define MARKDOWN_MAX 4096

static const char maps[] = "00400000-00410000 r-xp 00000000 fd:00 1 /usr/bin/made\n"
                           "7f0000000000-7f0000010000 rw-p 00000000 00:00 0 \n"
                           "7ffe00000000-7ffe00010000 rw-p 00000000 00:00 0 [stack]\n";

static const char *open_session(struct fuzz_patched *file, struct fuzz_patched *its_maps)
{
    static struct made made, other;
    static struct fuzz_patched rest[2];
    make_rich_recording(&made);
    make_every_kind(&made);
    made.header->pid = made.slots[0].slot.tid = GONE_PID;
    make_rich_recording(&other);
    other.header->pid = other.slots[0].slot.tid = GONE_PID - 1;
    const char *path = fuzz_patched_open(file, "67108863-1.rec", made.bytes, made.size);
    fuzz_patched_open(its_maps, "67108863-1.maps", (const uint8_t *)maps, sizeof(maps) - 1);
    fuzz_patched_open(&rest[0], "67108862-1.rec", other.bytes, other.size);
    fuzz_patched_open(&rest[1], "67108862-1.maps", (const uint8_t *)maps, sizeof(maps) - 1);
    fuzz_in_memory(file);
    fuzz_in_memory(&rest[0]);
    const char *slash = strrchr(path, '/');
    return strndup(path, (size_t)(slash - path));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct fuzz_patched file, its_maps;
    static const char *folder;
    if (folder == NULL)
        folder = open_session(&file, &its_maps);
    for (size_t at = 0; at + FUZZ_PATCH <= size; at += FUZZ_PATCH)
        fuzz_patch(bytes[at + 12] & 0x40 ? &its_maps : &file, bytes + at, FUZZ_PATCH);
    struct rw_incident *incident = NULL;
    const char *all_ended;
    char *why = NULL;
    int error = rw_postmortem(folder, NULL, &incident, &all_ended, &why);
    assert((error == 0) == (incident != NULL) && (error == 0) == (why == NULL));
    if (error == 0) {
        rw_incident_complete_names(incident);
        rw_accounts_complete(incident);
        rw_diagnose(incident);
        rw_report_text(incident, fuzz_nowhere());
        rw_report_markdown(incident, fuzz_nowhere(), MARKDOWN_MAX);
        talloc_free(incident);
    }
    talloc_free(why);
    fuzz_unpatch(&file, bytes, size);
    fuzz_unpatch(&its_maps, bytes, size);
    return 0;
}
