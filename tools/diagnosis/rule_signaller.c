/* SPDX-License-Identifier: MIT */
/*
 * A wait for a signal (an event, a condition, a queue, a semaphore, a barrier) where every thread that could
 * give it waits as well, in ways that none of them can end: those of the process, and those of all that share
 * the memory. A server whose main thread waits for an event that a signal handler sets is idle, not stuck: so
 * only while a test runs, the process ends, or there is no such handler.
 */
#include "tools/diagnosis/rules.h"
#include "tools/diagnosis/stuck.h"
#include "tools/incident/model.h"
#include "tools/incident/wait_kinds.h"
#include "tools/incident/words.h"

/* What nobody owns, and somebody else must give. */
static bool is_for_signal(const struct rw_wait_on *wait)
{
    const struct rw_wait_kind *kind = rw_wait_kind_of(wait);

    return wait && (kind->ends == RW_ENDS_BY_SIGNAL || kind->owner_is_guess);
}

static bool is_shared(const struct rw_wait_on *wait)
{
    return wait->channel_count > 0;
}

/* A fork leaves all threads but one behind, also the one that would have given the signal. */
static void tell_of_fork(struct rw_diagnosis *diagnosis, struct rw_verdict *finding,
                         const struct rw_process_info *process)
{
    const struct rw_process_info *parent = rw_incident_find_process(diagnosis->incident, process->ppid);

    for (size_t i = 0; rw_was_forked(process) && parent && i < parent->thread_count; i++) {
        const struct rw_thread *thread = &parent->threads[i];
        if (thread->tid > 0 && !thread->is_main && !rw_thread_is_gone(parent, thread))
            rw_verdict_evidence(
                diagnosis->incident, finding,
                "process %d was forked from process %d, whose thread %s was not copied; there it %s%s",
                process->pid, parent->pid, rw_thread_label(diagnosis->incident, thread),
                rw_doing_words(diagnosis->incident, parent, thread), rw_at_place(diagnosis, thread));
    }
}

static bool in_chain(const struct rw_graph *graph, const size_t *chain, size_t length,
                     const struct rw_thread *thread)
{
    for (size_t i = 0; i < length; i++)
        if (graph->nodes[graph->edges[chain[i]].from].thread == thread)
            return true;
    return false;
}

static void look_at_process(struct rw_diagnosis *diagnosis, const struct rw_process_info *process)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_graph *graph = diagnosis->graph;
    const struct rw_thread *subject = rw_subject(process);
    size_t index = subject ? rw_graph_node(graph, process->pid, subject->tid) : RW_NO_NODE;
    size_t end, length, alive = 0;
    const struct rw_node *last;
    struct rw_verdict *finding;
    size_t *chain;

    if (index == RW_NO_NODE)
        return;
    for (size_t i = 0; i < process->thread_count; i++)
        alive += process->threads[i].tid > 0 && !rw_thread_is_gone(process, &process->threads[i]);
    length = rw_graph_chain(diagnosis->graph, graph, index, &chain);
    end = rw_graph_chain_end(graph, index, chain, length);
    if (end == RW_NO_NODE || graph->nodes[end].edge_count)
        return;
    last = &graph->nodes[end];
    if (!last->is_stuck || last->process != process || !is_for_signal(last->thread->waits_on))
        return;
    finding = rw_finding(diagnosis, "no-signaller", RW_INFERRED);
    finding->sentence = rw_words(
        incident, "%s %s%s%s; %s.", rw_thread_label(incident, last->thread),
        rw_doing_words(incident, process, last->thread),
        rw_for_how_long(incident, incident, rw_waits_since(incident, last->thread)),
        rw_at_place(diagnosis, last->thread),
        is_shared(last->thread->waits_on)
            ? "all who share its memory wait as well, so nobody is left who could end this wait"
        : alive == 1
            ? "no other thread is left in the process that could end this wait"
            : "every other thread of the process waits as well, so nobody is left who could end this wait");
    rw_finding_chain(diagnosis, finding, index, chain, length, "waits");
    for (size_t i = 0; i < process->thread_count; i++) {
        const struct rw_thread *thread = &process->threads[i];

        if (thread != last->thread && !rw_thread_is_gone(process, thread) &&
            !in_chain(graph, chain, length, thread))
            rw_verdict_culprit(incident, finding, process->pid, thread, "waits", "%s%s",
                               rw_doing_words(incident, process, thread), rw_at_place(diagnosis, thread));
    }
    rw_verdict_evidence(
        incident, finding,
        "%zu thread%s alive, none runs, sleeps or waits for input; a signal handler could still act", alive,
        alive == 1 ? " is" : "s are");
    tell_of_fork(diagnosis, finding, process);
    rw_finding_place(diagnosis, finding, process, last->thread);
}

void rw_rule_signaller(struct rw_diagnosis *diagnosis)
{
    for (size_t i = 0; i < diagnosis->incident->process_count; i++)
        if (diagnosis->incident->processes[i].is_alive)
            look_at_process(diagnosis, &diagnosis->incident->processes[i]);
}
