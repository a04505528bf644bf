/* SPDX-License-Identifier: MIT */
#include "tools/monitor/bare_incident.h"

#include <string.h>

#include <talloc.h>

#include "tools/basics/clock.h"
#include "tools/incident/model.h"

struct rw_incident *rw_bare_incident(void *parent, const struct rw_watch *watch, const struct rw_want *want,
                                     const char *command, uint64_t now_ns)
{
    struct rw_incident *incident = rw_incident_new(parent);
    incident->now_ns = now_ns;
    incident->realtime_s = rw_realtime_s();
    incident->version = RW_VERSION;
    incident->trigger = rw_trigger_word(want->trigger);
    incident->trigger_detail = talloc_strdup(incident, want->detail);
    incident->command = talloc_strdup(incident, command);
    struct rw_process_info *process = rw_incident_add_process(incident, want->pid);
    const struct rw_watched *watched = rw_watch_find(watch, want->pid);
    process->is_alive = watched != NULL;
    if (watched != NULL && watched->test.number != 0) {
        char name[RW_TEST_NAME_MAX + 1] = "";
        memcpy(name, watched->test.name, RW_TEST_NAME_MAX);
        incident->test = process->test = talloc_strdup(incident, name);
    }
    incident->verdict.class_name = "unknown";
    incident->verdict.test = incident->test;
    incident->verdict.sentence =
        talloc_asprintf(incident, "Process %d could not be looked at when %s.", want->pid, want->detail);
    return incident;
}
