/* SPDX-License-Identifier: MIT */
/* What an earlier test left behind (threads, interpreters, processes, descriptors), where the hang of a later
 * one leads to it. A statement of where it comes from, not of who is wrong: the one who waits for it may be.
 */
#include <string.h>

#include "tools/diagnosis/rules.h"
#include "tools/diagnosis/stuck.h"
#include "tools/incident/accounts.h"
#include "tools/incident/model.h"
#include "tools/incident/words.h"

static bool is_left(const struct rw_process_info *process, const char *made_in_test)
{
    const char *running = rw_running_test(process);

    return running && made_in_test && *made_in_test && strcmp(made_in_test, running) != 0;
}

/* The first one is said in the sentence, unless it names that test already. `running`: the test that hangs on
 * it; NULL if none does. */
static void tell(struct rw_incident *incident, struct rw_verdict *finding, bool *is_said, const char *what,
                 const char *test, const char *running)
{
    size_t length = strlen(finding->sentence);

    rw_verdict_evidence(incident, finding, "%s was left by %s%s%s%s", what, test, running ? "; " : "",
                        running ? running : "", running ? " hangs on it" : "");
    if (*is_said || strstr(finding->sentence, test))
        return;
    *is_said = true;
    if (length && finding->sentence[length - 1] == '.')
        length--;
    finding->sentence =
        rw_words(incident, "%.*s; %s was left by %s.", (int)length, finding->sentence, what, test);
}

static void tell_interpreter(struct rw_incident *incident, struct rw_verdict *finding, bool *is_said,
                             const struct rw_process_info *process, int64_t id)
{
    for (size_t i = 0; i < process->interpreter_count; i++) {
        const struct rw_interpreter_info *interpreter = &process->interpreters[i];

        if (interpreter->id == id && !interpreter->is_main && is_left(process, interpreter->created_in_test))
            tell(incident, finding, is_said, rw_words(incident, "interpreter %lld", (long long)id),
                 interpreter->created_in_test, rw_running_test(process));
    }
}

static bool has_culprit(const struct rw_verdict *finding, int pid)
{
    for (size_t i = 0; i < finding->culprit_count; i++)
        if (finding->culprits[i].pid == pid)
            return true;
    return false;
}

/* The test in which somebody who takes part in the hang waits. */
static const char *hanging_test(const struct rw_incident *incident, const struct rw_verdict *finding)
{
    for (size_t i = 0; i < finding->culprit_count; i++) {
        const struct rw_process_info *process = rw_incident_find_process(incident, finding->culprits[i].pid);

        if (process && rw_running_test(process))
            return rw_running_test(process);
    }
    return NULL;
}

static bool waits_for(const struct rw_process_info *process, int pid)
{
    for (size_t i = 0; i < process->thread_count; i++) {
        const struct rw_wait_on *wait = process->threads[i].waits_on;

        for (size_t j = 0; wait && j < wait->channel_count; j++)
            if (rw_is_held_by(&wait->channels[j], pid))
                return true;
    }
    return false;
}

/* A process that hangs by itself makes no test hang: the one that runs tests has to take part, or to wait for
 * it. */
static void tell_process(struct rw_incident *incident, struct rw_verdict *finding, bool *is_said,
                         const struct rw_process_info *process)
{
    const struct rw_process_info *by = rw_left_by(incident, process);

    if (by)
        tell(incident, finding, is_said,
             rw_words(incident, "process %d (%s)", process->pid, process->name ? process->name : "?"),
             process->started_in_test,
             has_culprit(finding, by->pid) || waits_for(by, process->pid) ? rw_running_test(by) : NULL);
}

/* It keeps open the other end of what is waited for. Of one process a channel names one descriptor alone; of
 * a pipe, all have the same target. */
static bool is_other_end(const struct rw_channel *channel, const struct rw_holder *holder,
                         const struct rw_left_open *left)
{
    const char *needed = channel->wants && strcmp(channel->wants, "room") == 0 ? "read" : "write";

    if (left->fd == holder->fd)
        return true;
    return strcmp(channel->kind, "pipe") == 0 && channel->name && left->target &&
           strcmp(channel->name, left->target) == 0 &&
           (strcmp(left->access, needed) == 0 || strcmp(left->access, "both") == 0);
}

static void tell_descriptors(struct rw_incident *incident, struct rw_verdict *finding, bool *is_said,
                             const struct rw_channel *channel, const struct rw_holder *holder)
{
    const struct rw_process_info *process = rw_incident_find_process(incident, holder->pid);

    for (size_t i = 0; process && i < process->test_count; i++)
        for (size_t j = 0; j < process->tests[i].descriptor_count; j++)
            if (is_other_end(channel, holder, &process->tests[i].descriptors[j]))
                tell(incident, finding, is_said,
                     rw_left_open_words(incident, &process->tests[i].descriptors[j]), process->tests[i].test,
                     hanging_test(incident, finding));
}

/* Who has the other end of what the thread waits for, and is none of the culprits. */
static void tell_channels(struct rw_incident *incident, struct rw_verdict *finding, bool *is_said,
                          const struct rw_thread *thread)
{
    const struct rw_wait_on *wait = thread->waits_on;

    for (size_t i = 0; wait && i < wait->channel_count; i++)
        for (size_t j = 0; j < wait->channels[i].holder_count; j++) {
            const struct rw_holder *holder = &wait->channels[i].holders[j];
            const struct rw_process_info *process = rw_incident_find_process(incident, holder->pid);

            if (process && !has_culprit(finding, holder->pid))
                tell_process(incident, finding, is_said, process);
            if (holder->fd >= 0)
                tell_descriptors(incident, finding, is_said, &wait->channels[i], holder);
        }
}

void rw_tell_left(struct rw_diagnosis *diagnosis, struct rw_verdict *finding)
{
    struct rw_incident *incident = diagnosis->incident;
    bool is_said = false;

    if (rw_is_race_class(finding->class_name))
        return;
    for (size_t i = 0; i < finding->culprit_count; i++) {
        const struct rw_culprit *culprit = &finding->culprits[i];
        size_t node = rw_graph_node(diagnosis->graph, culprit->pid, culprit->tid);

        if (node == RW_NO_NODE)
            continue;
        const struct rw_process_info *process = diagnosis->graph->nodes[node].process;
        const struct rw_thread *thread = diagnosis->graph->nodes[node].thread;

        if (!rw_thread_is_gone(process, thread) && is_left(process, thread->created_in_test))
            tell(incident, finding, &is_said, rw_thread_label(incident, thread), thread->created_in_test,
                 rw_running_test(process));
        if (thread->interpreter_call && strcmp(thread->interpreter_call, "destroy") == 0)
            tell_interpreter(incident, finding, &is_said, process, thread->interpreter_call_id);
        tell_process(incident, finding, &is_said, process);
        tell_channels(incident, finding, &is_said, thread);
    }
}
