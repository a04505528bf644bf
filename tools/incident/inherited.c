/* SPDX-License-Identifier: MIT */
#include "tools/incident/inherited.h"

#include "tools/incident/model.h"

/* A fork keeps all addresses, so a pthread_t means the same thread in both processes; but it is used again
 * for a thread that begins after its owner's end. */
static const struct rw_thread *thread_at_fork(const struct rw_process_info *parent, uint64_t pthread,
                                              uint64_t fork_ns)
{
    for (size_t i = 0; i < parent->thread_count; i++) {
        const struct rw_thread *thread = &parent->threads[i];

        if (thread->tid > 0 && thread->pthread == pthread && thread->created_ns < fork_ns)
            return thread;
    }
    return NULL;
}

void rw_find_inherited_owners(struct rw_incident *incident)
{
    for (size_t i = 0; i < incident->process_count; i++) {
        const struct rw_process_info *process = &incident->processes[i],
                                     *parent = rw_incident_find_process(incident, process->ppid);

        for (size_t j = 0; parent && j < process->thread_count; j++) {
            struct rw_wait_on *wait = process->threads[j].waits_on;
            const struct rw_thread *owner;

            if (!wait || wait->owner.tid >= 0 || !wait->owner.pthread)
                continue;
            owner = thread_at_fork(parent, wait->owner.pthread, process->started_ns);
            if (!owner)
                continue;
            wait->owner.tid = owner->tid;
            wait->owner.pid = process->pid;
            wait->owner.certainty = owner->created_ns ? RW_EXACT : RW_INFERRED;
            wait->owner.how = "its owner field, which names a thread of the process that forked";
        }
    }
}
