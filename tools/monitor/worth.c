/* SPDX-License-Identifier: MIT */
#include "tools/monitor/worth.h"

#include <string.h>

#include "tools/monitor/publish.h"
#include "tools/incident/model.h"
#include "tools/incident/words.h"
#include "tools/monitor/deltas.h"

/* Whose owner is gone waits for good, whatever the others do. There are programs that unlock a mutex by
 * another thread than took it, though: so it has to have waited for as long as all would have to stand still.
 */
static bool is_for_good(const struct rw_options *options, const struct rw_incident *incident,
                        const struct rw_verdict *verdict)
{
    double limit_s = options->timeout;
    if (limit_s <= 0 || verdict->certainty != RW_EXACT || verdict->culprit_count == 0 ||
        verdict->class_name == NULL ||
        (strcmp(verdict->class_name, "orphaned-lock") != 0 &&
         strcmp(verdict->class_name, "waits-for-stopped-thread") != 0))
        return false;
    const struct rw_process_info *process = rw_incident_find_process(incident, verdict->culprits[0].pid);
    const struct rw_thread *thread =
        process != NULL ? rw_process_find_thread(process, verdict->culprits[0].tid) : NULL;
    uint64_t since_ns = thread != NULL ? rw_waits_since(incident, thread) : 0;
    return since_ns != 0 && rw_seconds_since(incident, since_ns) >= limit_s;
}

/* Who gives up and tries again may be through in a moment, as often as two looks saw it fail. So somebody has
 * to have waited for the end of one of them for as long as all would have to stand still. */
static bool is_livelock_for_good(const struct rw_options *options, const struct rw_incident *incident,
                                 const struct rw_verdict *verdict)
{
    double limit_s = options->timeout;
    if (limit_s <= 0 || verdict->class_name == NULL || strcmp(verdict->class_name, "livelock") != 0)
        return false;
    for (size_t i = 0; i < verdict->culprit_count; i++) {
        const struct rw_process_info *process = rw_incident_find_process(incident, verdict->culprits[i].pid);
        for (size_t j = 0; process != NULL && j < process->thread_count; j++) {
            const struct rw_thread *thread = &process->threads[j];
            uint64_t since_ns = rw_waits_since(incident, thread);
            if (thread->waits_on != NULL && thread->waits_on->owner.tid == verdict->culprits[i].tid &&
                since_ns != 0 && rw_seconds_since(incident, since_ns) >= limit_s)
                return true;
        }
    }
    return false;
}

bool rw_is_certain(const struct rw_options *options, const struct rw_incident *incident,
                   const struct rw_verdict *verdict)
{
    return (verdict->is_ring && verdict->certainty != RW_UNKNOWN) ||
           is_for_good(options, incident, verdict) || is_livelock_for_good(options, incident, verdict);
}

bool rw_bring_certain_forward(const struct rw_options *options, struct rw_incident *incident)
{
    if (rw_is_certain(options, incident, &incident->verdict))
        return true;
    for (size_t i = 0; i < incident->also_count; i++)
        if (rw_is_certain(options, incident, &incident->also[i])) {
            struct rw_verdict other = incident->also[i];
            incident->also[i] = incident->verdict;
            incident->verdict = other;
            return true;
        }
    return false;
}

static bool process_moved(const struct rw_incident *incident)
{
    for (size_t i = 0; i < incident->process_count && i < 1; i++)
        for (size_t j = 0; j < incident->processes[i].thread_count; j++)
            if (incident->processes[i].threads[j].moved == 1)
                return true;
    return false;
}

/* The signal that was to be looked at first has reached the program by another way, and it is gone. */
static bool is_gone(const struct rw_want *want, const struct rw_incident *incident)
{
    const struct rw_process_info *process = rw_incident_find_process(incident, want->pid);
    for (size_t i = 0; process != NULL && i < process->thread_count; i++)
        if (!rw_thread_is_gone(process, &process->threads[i]))
            return false;
    return process != NULL && process->thread_count > 0;
}

/* All ended by themselves between the two looks, having stood still for as long as the limit: they were slow,
 * not stuck. Of a process that ended in order nothing but its recording is left, and no thread in that. */
static bool has_ended_by_itself(const struct rw_incident *incident)
{
    for (size_t i = 0; i < incident->process_count; i++) {
        const struct rw_process_info *process = &incident->processes[i];
        if (process->is_alive || process->thread_count > 0 || process->exit_begin_ns == 0)
            return false;
    }
    return incident->process_count > 0;
}

bool rw_is_worth_telling(const struct rw_options *options, const struct rw_want *want,
                         const struct rw_incident *incident, const struct rw_incident *first)
{
    const char *class_name = incident->verdict.class_name;
    bool is_calm = class_name != NULL && (strcmp(class_name, "slow") == 0 || strcmp(class_name, "idle") == 0);
    switch (want->trigger) {
    case RW_TRIGGER_CYCLE:
    case RW_TRIGGER_EARLY:
        return rw_is_certain(options, incident, &incident->verdict) &&
               (rw_is_same_hang(incident, first) ||
                is_livelock_for_good(options, incident, &incident->verdict));
    case RW_TRIGGER_SIGNAL:
        if (strcmp(class_name, "unknown") == 0 && is_gone(want, incident))
            return false;
        return want->is_explicit || !is_calm; /* whoever ends a run that is stuck wants to know why */
    case RW_TRIGGER_CRASH:
        return true;
    case RW_TRIGGER_ORDER:
        return class_name != NULL && strcmp(class_name, "lock-order") == 0;
    case RW_TRIGGER_MISUSE:
        return rw_is_race_class(class_name);
    case RW_TRIGGER_GONE:
        return want->is_explicit || rw_class_is_hang(class_name);
    case RW_TRIGGER_STILL:
        if (has_ended_by_itself(incident))
            return false;
        /* What sleeps ends by itself; who waits for work does so for as long as there is none. In a test,
         * nobody should have to wait so long. */
        if (is_calm)
            return want->is_explicit && strcmp(class_name, "idle") == 0;
        return rw_class_is_hang(class_name) || !process_moved(incident);
    case RW_TRIGGER_EXIT:
        return !is_calm && !has_ended_by_itself(incident) &&
               (rw_class_is_hang(class_name) || !process_moved(incident));
    default:
        return !has_ended_by_itself(incident) &&
               (want->is_explicit ||
                (!is_calm && (rw_class_is_hang(class_name) || !process_moved(incident))));
    }
}
