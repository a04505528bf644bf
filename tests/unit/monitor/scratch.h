/* SPDX-License-Identifier: MIT */
/* A folder of the test's own, with folders in it. */
#ifndef RACEWATCH_TESTS_UNIT_MONITOR_SCRATCH_H
#define RACEWATCH_TESTS_UNIT_MONITOR_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline char *make_scratch(void)
{
    const char *tmp = getenv("TEST_TMPDIR");
    char *path = NULL;
    if (asprintf(&path, "%s/monitor-XXXXXX", tmp != NULL ? tmp : "/tmp") < 0 || mkdtemp(path) == NULL)
        abort();
    return path;
}

static inline int remove_one(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status;
    (void)type;
    (void)at;
    return remove(path);
}

static inline void remove_scratch(char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}

#endif
