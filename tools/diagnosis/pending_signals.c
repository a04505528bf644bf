/* SPDX-License-Identifier: MIT */
/*
 * Signals that have come, and whose Python handlers have not run: a ^C that seems to be lost. Who pressed it
 * wants to know why nothing happens, whatever the verdict is. It is no verdict of its own: the thread that
 * the signal waits for is held up by something else.
 */
#include <string.h>

#include "tools/diagnosis/rules.h"
#include "tools/incident/model.h"
#include "tools/incident/words.h"

/* "SIGINT", "SIGINT and SIGTERM" */
static void append_names(struct rw_incident *incident, char **text, const struct rw_process_info *process)
{
    size_t count = process->pending_signal_count;

    for (size_t i = 0; i < count; i++)
        rw_append(incident, text, "%s%s",
                  i == 0          ? ""
                  : i + 1 < count ? ", "
                                  : " and ",
                  process->pending_signals[i].name);
}

/* Why the thread does not run the handlers. */
static char *why_not(struct rw_diagnosis *diagnosis, const struct rw_process_info *process,
                     const struct rw_thread *thread)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_python_frame *innermost = thread->python_count ? &thread->python[0] : NULL;

    if (rw_thread_is_gone(process, thread))
        return rw_words(incident, "has ended: no other thread runs Python's signal handlers");
    if (innermost && !innermost->is_torn && innermost->interpreter > 0)
        return rw_words(incident, "is inside interpreter %lld: Python handles signals in the main one only",
                        (long long)innermost->interpreter);
    return rw_words(incident, "%s%s, and runs %s only when it gets back to Python code",
                    rw_doing_words(incident, process, thread), rw_at_place(diagnosis, thread),
                    process->pending_signal_count > 1 ? "their handlers" : "the handler");
}

static void tell(struct rw_diagnosis *diagnosis, struct rw_verdict *finding,
                 const struct rw_process_info *process)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_thread *thread = rw_process_find_thread(process, process->pending_signals[0].tid);
    size_t length = strlen(finding->sentence);
    bool is_one = process->pending_signal_count == 1;
    char *names = NULL;

    append_names(incident, &names, process);
    if (length && finding->sentence[length - 1] == '.')
        length--;
    finding->sentence = rw_words(incident, "%.*s; %s %s arrived, and %s for %s%s%s.", (int)length,
                                 finding->sentence, names, is_one ? "has" : "have", is_one ? "waits" : "wait",
                                 thread ? rw_thread_label(incident, thread) : "Python's main thread",
                                 thread ? ", which " : "", thread ? why_not(diagnosis, process, thread) : "");
    rw_verdict_evidence(incident, finding, "%s reached process %d; Python has noted that, and run no handler",
                        names, process->pid);
}

void rw_tell_pending_signals(struct rw_diagnosis *diagnosis, struct rw_verdict *finding)
{
    const struct rw_incident *incident = diagnosis->incident;

    if (rw_is_race_class(finding->class_name) || strcmp(finding->class_name, "crash") == 0)
        return;
    for (size_t i = 0; i < incident->process_count; i++) {
        const struct rw_process_info *process = &incident->processes[i];
        bool is_concerned = false;

        for (size_t j = 0; j < finding->culprit_count; j++)
            is_concerned |= finding->culprits[j].pid == process->pid;
        if (is_concerned && process->pending_signal_count)
            tell(diagnosis, finding, process);
    }
}
