/* SPDX-License-Identifier: MIT */
/* An index.json of anybody's, in the folder into which a run writes its own: that is written, and what tests
 * left behind is told. */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <talloc.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/recording/make_recording.h"
#include "tools/incident/accounts.h"
#include "tools/incident/index_file.h"
#include "tools/incident/json.h"
#include "tools/incident/model.h"
#include "tools/monitor/out_folder.h"
#include "tools/report/report.h"

static char *folder;

static void remove_it(void)
{
    remove_folder(folder);
}

static void write_index(int at, const uint8_t *bytes, size_t size)
{
    int fd = openat(at, "index.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size || close(fd) != 0)
        abort();
}

/* What `racewatch report` prints of it. */
static void tell_accounts(int at)
{
    struct rw_incident *incident = rw_incident_new(NULL);
    struct rw_process_info *all = rw_incident_add_process(incident, 0);
    json_t *index = rw_index_read(at, "index.json", NULL), *test;
    size_t i;
    json_array_foreach(json_object_get(index, "tests"), i, test)
    {
        struct rw_test_account account;
        if (rw_test_account_from_json(incident, test, &account))
            *rw_process_add_account(incident, all, account.test) = account;
    }
    json_decref(index);
    rw_report_accounts(all->tests, all->test_count, fuzz_nowhere());
    talloc_free(incident);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static int at = -1;
    if (folder == NULL) {
        folder = make_folder();
        at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        atexit(remove_it);
    }
    write_index(at, bytes, size);
    tell_accounts(at);
    struct rw_out *out = rw_out_new(NULL, at, folder, "run", NULL);
    assert(rw_out_write_index(out, 0) == 0);
    talloc_free(out);
    json_t *index = rw_index_read(at, "index.json", NULL);
    assert(json_is_array(json_object_get(index, "incidents")));
    json_decref(index);
    return 0;
}
