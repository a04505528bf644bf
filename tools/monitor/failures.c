/* SPDX-License-Identifier: MIT */
#include "tools/monitor/failures.h"

#include <stdlib.h>
#include <sys/wait.h>

#include <talloc.h>

#include "tools/basics/paths.h"
#include "tools/incident/model.h"
#include "tools/recording/reader.h"
#include "tools/snapshot/proc.h"

#define FAILURES_MAX 64

struct failure {
    int parent;
    struct rw_failed_child child;
};

struct rw_failures {
    struct failure items[FAILURES_MAX]; /* a ring */
    uint64_t written;
};

struct rw_failures *rw_failures_new(void *parent)
{
    struct rw_failures *failures = talloc_zero(parent, struct rw_failures);
    if (failures == NULL)
        abort();
    return failures;
}

/* The kernel's word, else the recording's; false where it ended well, or nobody can tell. */
static bool has_failed(const struct rw_watched *watched, const struct rw_header *header, int *signal,
                       int *status)
{
    int ended_with;
    *signal = 0;
    *status = -1;
    if (rw_proc_ended_with(watched->pid, watched->pidfd, &ended_with) == 0) {
        if (WIFSIGNALED(ended_with))
            *signal = WTERMSIG(ended_with);
        else
            *status = WEXITSTATUS(ended_with);
        return *signal != 0 || *status > 0;
    }
    if (header->exit_begin_ns == 0)
        return header->main_returned_ns == 0 && header->exec_ns == 0;
    *status = header->exit_status & 0xff;
    return *status > 0;
}

void rw_failures_note(struct rw_failures *failures, const struct rw_watched *watched, uint64_t now_ns)
{
    if (watched->reader == NULL || watched->was_replaced || watched->is_elsewhere)
        return;
    rw_reader_refresh(watched->reader);
    const struct rw_header *header = rw_reader_header(watched->reader);
    struct failure failure = {header->ppid, {.pid = watched->pid, .ended_ns = now_ns}};
    if (!has_failed(watched, header, &failure.child.signal, &failure.child.status))
        return;
    failure.child.name = talloc_strdup(failures, rw_base_name(header->executable));
    struct failure *place = &failures->items[failures->written++ % FAILURES_MAX];
    talloc_free((void *)place->child.name);
    *place = failure;
}

void rw_failures_fill(const struct rw_failures *failures, struct rw_incident *incident)
{
    uint64_t end = failures != NULL ? failures->written : 0;
    for (uint64_t i = end > FAILURES_MAX ? end - FAILURES_MAX : 0; i < end; i++) {
        const struct failure *failure = &failures->items[i % FAILURES_MAX];
        struct rw_process_info *parent = rw_incident_find_process(incident, failure->parent);
        if (parent == NULL)
            continue;
        struct rw_failed_child *child = rw_process_add_failed_child(incident, parent);
        *child = failure->child;
        child->name = talloc_strdup(incident, failure->child.name);
    }
}
