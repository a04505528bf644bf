/* SPDX-License-Identifier: MIT */
/*
 * A wait for a signal (an event, a condition, a queue, a barrier) in a process where every thread waits, and
 * each for another one: nobody is left who could give it. Only while a test runs or the process ends: a
 * server whose main thread waits for an event that a signal handler sets is idle, not stuck.
 */
#include "tools/diagnosis/rules.h"
#include "tools/incident/model.h"
#include "tools/incident/wait_kinds.h"
#include "tools/incident/words.h"

/* It waits for another thread of this process, without a time limit. */
static bool waits_inside(const struct rw_thread *thread)
{
    const struct rw_wait_on *wait = thread->waits_on;
    enum rw_wait_end ends = rw_wait_kind_of(wait)->ends;

    return wait && !wait->has_deadline &&
           (ends == RW_ENDS_BY_SIGNAL || ends == RW_ENDS_BY_RELEASE || ends == RW_ENDS_BY_EXIT ||
            ends == RW_ENDS_NEVER);
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

    if (index == RW_NO_NODE || (!rw_running_test(process) && !rw_is_ending(process)))
        return;
    for (size_t i = 0; i < process->thread_count; i++) {
        const struct rw_thread *thread = &process->threads[i];

        if (rw_thread_is_gone(process, thread))
            continue;
        if (!waits_inside(thread) || thread->moved == 1)
            return;
        alive++;
    }
    length = rw_graph_chain(diagnosis->graph, graph, index, &chain);
    end = rw_graph_chain_end(graph, index, chain, length);
    if (end == RW_NO_NODE || graph->nodes[end].edge_count)
        return;
    last = &graph->nodes[end];
    if (!last->thread->waits_on || rw_wait_kind_of(last->thread->waits_on)->ends != RW_ENDS_BY_SIGNAL)
        return;
    finding = rw_finding(diagnosis, "no-signaller", RW_INFERRED);
    finding->sentence = rw_words(
        incident, "%s %s%s%s; %s.", rw_thread_label(incident, last->thread),
        rw_doing_words(incident, process, last->thread),
        rw_for_how_long(incident, incident, rw_waits_since(incident, last->thread)),
        rw_at_place(diagnosis, last->thread),
        alive == 1
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
    rw_finding_place(diagnosis, finding, process, last->thread);
}

void rw_rule_signaller(struct rw_diagnosis *diagnosis)
{
    for (size_t i = 0; i < diagnosis->incident->process_count; i++)
        if (diagnosis->incident->processes[i].is_alive)
            look_at_process(diagnosis, &diagnosis->incident->processes[i]);
}
