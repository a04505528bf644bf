/* SPDX-License-Identifier: MIT */
/* Everybody waits, nobody is to blame, and no work is known to be under way: a server between two requests.
 */
#include <string.h>
#include <talloc.h>

#include "tools/diagnosis/rules.h"
#include "tools/incident/model.h"
#include "tools/incident/wait_kinds.h"
#include "tools/incident/words.h"

/* Anybody may give it, and nobody in particular has to. */
static bool is_for_signal(const struct rw_thread *thread)
{
    const struct rw_wait_kind *kind = rw_wait_kind_of(thread->waits_on);

    return kind->ends == RW_ENDS_BY_SIGNAL || kind->owner_is_guess;
}

static bool is_idle_wait(const struct rw_thread *thread)
{
    enum rw_wait_end ends = rw_wait_kind_of(thread->waits_on)->ends;

    return thread->waits_on && (is_for_signal(thread) || ends == RW_ENDS_BY_INPUT || ends == RW_ENDS_BY_TIME);
}

/* Whoever waits for a thread that waits for one peer's data may wait for a peer that is stuck: no server
 * does. */
static bool is_idle_end(const struct rw_thread *thread, size_t chain_length)
{
    static const char *const patient[] = {"accept", "poll", "signal"};
    enum rw_wait_end ends = rw_wait_kind_of(thread->waits_on)->ends;

    if (!is_idle_wait(thread))
        return false;
    if (chain_length == 0 || ends != RW_ENDS_BY_INPUT)
        return true;
    for (size_t i = 0; i < sizeof patient / sizeof *patient; i++)
        if (strcmp(thread->waits_on->kind, patient[i]) == 0)
            return true;
    return false;
}

/* Whoever waits for work inside the process while others wait for a lock that it holds keeps from them what
 * they may need to give it that work. One that waits for the outside (accept under a mutex) is served by
 * others. */
static bool keeps_a_lock(const struct rw_graph *graph, size_t end, const size_t *chain, size_t length)
{
    if (!is_for_signal(graph->nodes[end].thread))
        return false;
    for (size_t i = 0; i < length; i++) {
        const struct rw_edge *edge = &graph->edges[chain[i]];
        if (edge->wait && edge->certainty == RW_EXACT &&
            rw_wait_kind_of(edge->wait)->ends == RW_ENDS_BY_RELEASE)
            return true;
    }
    return false;
}

static bool is_idle(struct rw_diagnosis *diagnosis, const struct rw_process_info *process)
{
    const struct rw_graph *graph = diagnosis->graph;

    if (rw_running_test(process) || rw_is_ending(process) || !process->is_alive || process->thread_count == 0)
        return false;
    for (size_t i = 0; i < process->thread_count; i++) {
        const struct rw_thread *thread = &process->threads[i];
        size_t *chain, length, end;
        bool is_calm;
        size_t index = rw_graph_node(graph, process->pid, thread->tid);

        if (index == RW_NO_NODE || rw_thread_is_gone(process, thread))
            continue;
        length = rw_sure_chain(diagnosis, index, &chain);
        end = rw_graph_chain_end(graph, index, chain, length);
        is_calm =
            !(graph->nodes[index].is_stuck || end == RW_NO_NODE ||
              (graph->nodes[end].edge_count && !is_for_signal(graph->nodes[end].thread)) ||
              !is_idle_end(graph->nodes[end].thread, length) || keeps_a_lock(graph, end, chain, length));
        talloc_free(chain);
        if (!is_calm)
            return false;
    }
    return true;
}

static void report(struct rw_diagnosis *diagnosis, const struct rw_process_info *process,
                   const struct rw_thread *subject)
{
    struct rw_incident *incident = diagnosis->incident;
    struct rw_verdict *finding = rw_finding(diagnosis, "idle", RW_INFERRED);
    size_t index = rw_graph_node(diagnosis->graph, process->pid, subject->tid), others = 0;
    size_t *chain, length;

    for (size_t i = 0; i < process->thread_count; i++)
        others += &process->threads[i] != subject && !rw_thread_is_gone(process, &process->threads[i]);
    finding->sentence =
        rw_words(incident, "Process %d%s%s%s is idle: %s %s%s%s%s.", process->pid, process->name ? " (" : "",
                 process->name ? process->name : "", process->name ? ")" : "",
                 rw_thread_label(incident, subject), rw_doing_words(incident, process, subject),
                 rw_for_how_long(incident, incident, rw_waits_since(incident, subject)),
                 rw_at_place(diagnosis, subject),
                 others ? ", and every other thread waits as well, with nobody to blame" : "");
    length = rw_sure_chain(diagnosis, index, &chain);
    rw_finding_chain(diagnosis, finding, index, chain, length, "waits");
    rw_verdict_evidence(incident, finding,
                        "no test runs, the process is not ending, and every thread waits for input, for time "
                        "or for a signal");
    rw_finding_place(diagnosis, finding, process, subject);
}

/* A supervisor is as idle as those that it waits for. */
static bool are_children_idle(struct rw_diagnosis *diagnosis, const struct rw_process_info *process)
{
    const struct rw_incident *incident = diagnosis->incident;

    if (!rw_is_supervisor(incident, process))
        return true;
    for (size_t i = 0; i < incident->process_count; i++) {
        const struct rw_process_info *child = &incident->processes[i];

        if (child->ppid == process->pid && child->is_alive && child->thread_count &&
            (rw_is_supervisor(incident, child) ? !are_children_idle(diagnosis, child)
                                               : !is_idle(diagnosis, child)))
            return false;
    }
    return true;
}

void rw_rule_idle(struct rw_diagnosis *diagnosis)
{
    for (size_t i = 0; i < diagnosis->incident->process_count; i++) {
        const struct rw_process_info *process = &diagnosis->incident->processes[i];
        const struct rw_thread *subject = rw_subject(process);

        if (subject && subject->tid > 0 && is_idle(diagnosis, process) &&
            are_children_idle(diagnosis, process))
            report(diagnosis, process, subject);
    }
}
