/* SPDX-License-Identifier: MIT */
#include "tools/monitor/thread_names.h"

#include <poll.h>

#include <talloc.h>

#include "tools/monitor/capture.h"

#define PAUSE_NS UINT64_C(1000000000)

struct rw_thread_names {
    struct rw_capture_child *look; /* NULL: none is under way */
    uint64_t next_ns;
};

struct rw_thread_names *rw_thread_names_new(void *parent)
{
    return talloc_zero(parent, struct rw_thread_names);
}

static void end_look(struct rw_thread_names *names, struct rw_accounts *accounts)
{
    uint64_t cpu_ns;
    char *why;
    struct rw_incident *incident = rw_capture_result(names->look, names->look, &cpu_ns, &why);
    if (incident != NULL)
        rw_accounts_name(accounts, incident);
    talloc_free(names->look);
    names->look = NULL;
}

static void begin_look(struct rw_thread_names *names, struct rw_watched *watched)
{
    struct rw_capture_target target = {
        .pid = watched->pid, .reader = watched->reader, .saved_maps = watched->maps};
    struct rw_capture_plan plan = {.targets = &target, .target_count = 1, .python = true};
    watched->wants_names = false;
    names->look = rw_capture_start(names, &plan);
}

void rw_thread_names_step(struct rw_thread_names *names, struct rw_watch *watch, struct rw_accounts *accounts,
                          uint64_t now_ns)
{
    struct pollfd done = {.fd = names->look != NULL ? rw_capture_fd(names->look) : -1, .events = POLLIN};
    if (names->look != NULL && poll(&done, 1, 0) > 0)
        end_look(names, accounts);
    if (names->look != NULL || now_ns < names->next_ns)
        return;
    for (size_t i = 0; i < rw_watch_count(watch); i++) {
        struct rw_watched *watched = rw_watch_at(watch, i);
        if (!watched->wants_names || watched->is_over)
            continue;
        begin_look(names, watched);
        names->next_ns = now_ns + PAUSE_NS;
        return;
    }
}
