/* SPDX-License-Identifier: MIT */
/* A process that dies of a signal: who was where. */
#include <signal.h>
#include <string.h>

#include "tools/diagnosis/rules.h"
#include "tools/incident/model.h"
#include "tools/incident/words.h"

static bool calls(const struct rw_thread *thread, const char *function)
{
    for (size_t i = 0; thread && i < thread->native_count; i++)
        if (thread->native[i].function && strcmp(thread->native[i].function, function) == 0)
            return true;
    return false;
}

/* " (an access to address 0x10)", " (sent by process 12)", ... */
static char *cause(struct rw_incident *incident, const struct rw_process_info *process,
                   const struct rw_thread *thread)
{
    const struct rw_crash *crash = process->crash;

    if (calls(thread, "__assert_fail"))
        return rw_words(incident, " (an assertion failed)");
    if (calls(thread, "abort"))
        return rw_words(incident, " (it called abort)");
    if (crash->sender && crash->sender != process->pid)
        return rw_words(incident, " (sent by process %d)", crash->sender);
    if (crash->sender)
        return rw_words(incident, " (sent by the process itself)");
    if (crash->has_address)
        return rw_words(incident, " (an access to address 0x%llx)", (unsigned long long)crash->address);
    return rw_words(incident, "%s", "");
}

static void report(struct rw_diagnosis *diagnosis, const struct rw_process_info *process)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_crash *crash = process->crash;
    const struct rw_thread *thread = rw_process_find_thread(process, crash->tid);
    struct rw_verdict *finding = rw_finding(diagnosis, "crash", RW_EXACT);
    char *why = cause(incident, process, thread), *sentence = NULL;
    const char *verb = process->is_alive ? "dies" : "died";

    if (thread)
        rw_append(incident, &sentence, "Process %d %s of %s%s in %s%s.", process->pid, verb, crash->name, why,
                  rw_thread_label(incident, thread), rw_at_place(diagnosis, thread));
    else if (crash->tid)
        rw_append(incident, &sentence, "Process %d %s of %s%s in thread %d.", process->pid, verb, crash->name,
                  why, crash->tid);
    else
        rw_append(incident, &sentence,
                  "Process %d died of %s, and could not be looked at before: no handler of the shim's ran, "
                  "as where a "
                  "stack overflows.",
                  process->pid, crash->name);
    finding->sentence = sentence;
    rw_verdict_evidence(incident, finding, "%s",
                        crash->tid ? "The signal came to the shim's handler, which left its "
                                     "effect as it was: exact"
                                   : "The kernel says what ended the process: exact");
    if (thread) {
        rw_verdict_culprit(incident, finding, process->pid, thread, "actor", "dies of %s%s", crash->name,
                           why);
        rw_finding_place(diagnosis, finding, process, thread);
    } else {
        finding->test = rw_running_test(process);
    }
}

void rw_rule_crash(struct rw_diagnosis *diagnosis)
{
    for (size_t i = 0; i < diagnosis->incident->process_count; i++)
        if (diagnosis->incident->processes[i].crash)
            report(diagnosis, &diagnosis->incident->processes[i]);
}
