/* SPDX-License-Identifier: MIT */
/* Locks that processes share, whose owners are in another one's recording, or in none. */
#include <string.h>
#include <talloc.h>

#include "tools/incident/model.h"
#include "tools/postmortem/postmortem.h"

/* Those that hold their owner's TID. */
static bool is_lock(const struct rw_wait_on *wait)
{
    return wait->kind != NULL && (strcmp(wait->kind, "mutex") == 0 || strcmp(wait->kind, "rwlock") == 0);
}

static bool is_in_shared_memory(const struct rw_wait_on *wait)
{
    for (size_t i = 0; i < wait->channel_count; i++)
        if (strcmp(wait->channels[i].kind, "memory") == 0)
            return true;
    return false;
}

/* The process that has a thread of this TID, among those that count them alike; NULL where there is none. */
static const struct rw_process_info *process_of(const struct rw_incident *incident, const char *const *spaces,
                                                size_t waiter, int tid)
{
    for (size_t i = 0; i < incident->process_count; i++)
        if (i != waiter && (spaces == NULL || strcmp(spaces[i], spaces[waiter]) == 0) &&
            rw_process_find_thread(&incident->processes[i], tid) != NULL)
            return &incident->processes[i];
    return NULL;
}

static void find_owner(struct rw_incident *incident, const char *const *spaces, size_t waiter,
                       struct rw_wait_on *wait)
{
    const struct rw_process_info *process = &incident->processes[waiter];
    int tid = wait->owner.tid;
    if (tid <= 0 || wait->owner.pid != process->pid || !is_lock(wait) ||
        rw_process_find_thread(process, tid) != NULL)
        return;
    const struct rw_process_info *owner = process_of(incident, spaces, waiter, tid);
    if (owner != NULL)
        wait->owner.pid = owner->pid;
    else if (is_in_shared_memory(wait))
        wait->owner = (struct rw_owner){
            .tid = -1,
            .pid = -1,
            .how = talloc_asprintf(incident,
                                   "it is in shared memory, and its owner, thread %d, in no recording", tid)};
}

void rw_postmortem_find_owners(struct rw_incident *incident, const char *const *spaces)
{
    for (size_t i = 0; i < incident->process_count; i++) {
        struct rw_process_info *process = &incident->processes[i];
        for (size_t j = 0; !process->is_alive && j < process->thread_count; j++)
            if (process->threads[j].waits_on != NULL)
                find_owner(incident, spaces, i, process->threads[j].waits_on);
    }
}
