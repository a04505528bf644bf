/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/left_open.h"

#include <errno.h>
#include <string.h>

#include <talloc.h>

#include "tools/snapshot/proc.h"

/* The recording has what fits of the target. */
static bool is_still_open(int pid, const struct rw_left_open *left)
{
    const char *target = NULL;
    int thread = rw_proc_living_thread(pid);
    void *scratch = talloc_new(NULL);
    int error = rw_proc_fd_target(scratch, pid, thread > 0 ? thread : pid, left->fd, &target);
    bool is_same = error == 0 && (!left->target || strncmp(target, left->target, strlen(left->target)) == 0);

    talloc_free(scratch);
    return is_same || (error != 0 && error != -ENOENT);
}

void rw_left_open_check(int pid, struct rw_test_account *account)
{
    size_t kept = 0;

    for (size_t i = 0; i < account->descriptor_count; i++)
        if (is_still_open(pid, &account->descriptors[i]))
            account->descriptors[kept++] = account->descriptors[i];
    account->descriptor_count = kept;
}
