/* SPDX-License-Identifier: MIT */
/* Not stuck but on its way: what two looks tell of the thread that the others wait for. */
#include <string.h>

#include "tools/diagnosis/rules.h"
#include "tools/incident/interpreters.h"
#include "tools/incident/model.h"
#include "tools/incident/wait_kinds.h"
#include "tools/incident/words.h"

#define SPINNING 0.9 /* of a processor */
#define BUSY 0.02
#define RIVAL 0.5   /* of what the worker used */
#define POLLS_MIN 2 /* times that it was woken between two looks */

/* Its share of one processor between the two looks; negative after one look. */
static double share(const struct rw_incident *incident, const struct rw_thread *thread)
{
    if (thread->cpu_delta_s < 0 || incident->between_looks_s <= 0)
        return -1;
    return thread->cpu_delta_s / incident->between_looks_s;
}

/* It uses a processor, or waits for one, makes no call that was seen, and is in the same functions at both
 * looks. */
static bool spins(const struct rw_incident *incident, const struct rw_thread *thread, double part)
{
    double queued = thread->queued_delta_s > 0 && incident->between_looks_s > 0
                        ? thread->queued_delta_s / incident->between_looks_s
                        : 0;
    bool uses_all = part >= BUSY && part + queued >= SPINNING;

    return uses_all && !thread->waits_on && thread->same_calls == 1 && thread->transitions_delta <= 0;
}

/* It slept and woke again and again, and came back to the same functions. */
static bool polls(const struct rw_thread *thread)
{
    return thread->same_calls == 1 && thread->switches_delta >= POLLS_MIN;
}

static bool is_on_its_way(const struct rw_incident *incident, const struct rw_thread *thread)
{
    return share(incident, thread) >= BUSY || thread->moved == 1 || thread->transitions_delta > 0;
}

/* Who works while the last one of the chain waits for a signal that anybody might give. */
static const struct rw_thread *busiest(const struct rw_incident *incident,
                                       const struct rw_process_info *process)
{
    const struct rw_thread *best = NULL;

    for (size_t i = 0; i < process->thread_count; i++) {
        const struct rw_thread *thread = &process->threads[i];

        if (!rw_thread_is_gone(process, thread) && share(incident, thread) >= BUSY &&
            (!best || thread->cpu_delta_s > best->cpu_delta_s))
            best = thread;
    }
    return best;
}

/* " at x.py:3 in f in interpreter 1": the number where it is not the main one. */
static char *place_words(struct rw_diagnosis *diagnosis, const struct rw_thread *thread)
{
    char *place = rw_at_place(diagnosis, thread);

    if (thread->python_count && thread->python[0].interpreter > 0 && !thread->python[0].is_torn)
        return rw_words(diagnosis->incident, "%s in interpreter %lld", place,
                        (long long)thread->python[0].interpreter);
    return place;
}

/* Who has the worker's GIL for a good part of the time, at one and the same place, is why the worker is slow:
 * "; it shares the GIL with 'inside' (tid 12), which used 80 % of a processor at <string>:1 in interpreter
 * 1". */
static void tell_rival(struct rw_diagnosis *diagnosis, const struct rw_process_info *process,
                       const struct rw_thread *worker, char **sentence)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_gil *gil = rw_thread_gil(process, worker);
    const struct rw_thread *rival = NULL;
    double least = RIVAL * share(incident, worker);

    for (size_t i = 0; gil && gil->is_enabled == 1 && i < process->thread_count; i++) {
        const struct rw_thread *thread = &process->threads[i];
        double part = share(incident, thread);

        if (thread == worker || rw_thread_is_gone(process, thread) || part < BUSY || part <= least ||
            thread->same_calls != 1 || !thread->python_count || rw_thread_gil(process, thread) != gil)
            continue;
        rival = thread;
        least = part;
    }
    if (!rival)
        return;
    rw_append(incident, sentence, "; it shares the GIL with %s, which used %.0f %% of a processor%s",
              rw_thread_label(incident, rival), least * 100, place_words(diagnosis, rival));
}

static void report(struct rw_diagnosis *diagnosis, const struct rw_process_info *process, size_t index,
                   const size_t *chain, size_t length, const struct rw_thread *worker, bool is_end)
{
    struct rw_incident *incident = diagnosis->incident;
    double part = share(incident, worker);
    const struct rw_thread *subject = diagnosis->graph->nodes[index].thread;
    bool ends_by_time = worker->waits_on && (worker->waits_on->has_deadline ||
                                             rw_wait_kind_of(worker->waits_on)->ends == RW_ENDS_BY_TIME);
    bool is_spinning = spins(incident, worker, part);
    struct rw_verdict *finding = rw_finding(diagnosis, is_spinning ? "spinning" : "slow", RW_INFERRED);
    char *sentence = NULL;

    if (worker != subject)
        rw_append(incident, &sentence, "%s %s; meanwhile ", rw_thread_label(incident, subject),
                  length ? rw_edge_words(diagnosis, &diagnosis->graph->edges[chain[0]], true)
                         : rw_doing_words(incident, process, subject));
    rw_append(incident, &sentence, "%s ", rw_thread_label(incident, worker));
    if (is_spinning)
        rw_append(
            incident, &sentence,
            "runs in the same functions at both looks and used %.0f %% of a processor between them: a loop "
            "that does not end, or long work",
            part * 100);
    else if (part >= BUSY)
        rw_append(incident, &sentence, "makes progress: it used %.0f %% of a processor", part * 100);
    else if (ends_by_time && polls(worker))
        rw_append(
            incident, &sentence,
            "polls: it woke %lld times within %s, and waits again in the same functions, for something that "
            "has not come",
            (long long)worker->switches_delta, rw_duration(incident, incident->between_looks_s));
    else if (ends_by_time)
        rw_append(incident, &sentence, "%s, a wait that ends by itself",
                  rw_doing_words(incident, process, worker));
    else
        rw_append(incident, &sentence, "makes progress: it %s and has moved since the look before",
                  rw_doing_words(incident, process, worker));
    rw_append(incident, &sentence, ",%s", place_words(diagnosis, worker));
    tell_rival(diagnosis, process, worker, &sentence);
    rw_tell_waiting_tasks(diagnosis, process, worker, &sentence);
    rw_append(incident, &sentence, ".");
    finding->sentence = sentence;
    rw_finding_chain(diagnosis, finding, index, chain, length, is_end ? "owner" : "waits");
    if (!is_end)
        rw_verdict_culprit(incident, finding, process->pid, worker, "owner", "%s%s",
                           rw_doing_words(incident, process, worker), rw_at_place(diagnosis, worker));
    if (part >= 0)
        rw_verdict_evidence(incident, finding, "between two looks %s apart %s used %s of processor time%s",
                            rw_duration(incident, incident->between_looks_s),
                            rw_thread_label(incident, worker), rw_duration(incident, worker->cpu_delta_s),
                            worker->same_calls == 1   ? " and was in the same functions at both"
                            : worker->same_calls == 0 ? " and went on to other functions"
                                                      : "");
    if (worker->transitions_delta > 0)
        rw_verdict_evidence(incident, finding, "%s made %lld recorded transitions in that time",
                            rw_thread_label(incident, worker), (long long)worker->transitions_delta);
    rw_finding_place(diagnosis, finding, process, worker);
}

static void look_at_process(struct rw_diagnosis *diagnosis, const struct rw_process_info *process)
{
    const struct rw_incident *incident = diagnosis->incident;
    const struct rw_graph *graph = diagnosis->graph;
    const struct rw_thread *subject = rw_subject(process);
    size_t index = subject ? rw_graph_node(graph, process->pid, subject->tid) : RW_NO_NODE;
    const struct rw_thread *last, *worker;
    enum rw_wait_end ends;
    size_t *chain;
    size_t length, end;

    if (index == RW_NO_NODE)
        return;
    length = rw_graph_chain(diagnosis->graph, graph, index, &chain);
    end = rw_graph_chain_end(graph, index, chain, length);
    if (end == RW_NO_NODE || graph->nodes[end].edge_count || graph->nodes[end].process != process)
        return;
    last = graph->nodes[end].thread;
    ends = rw_wait_kind_of(last->waits_on)->ends;
    if (is_on_its_way(incident, last) ||
        (last->waits_on && (last->waits_on->has_deadline || ends == RW_ENDS_BY_TIME))) {
        report(diagnosis, process, index, chain, length, last, true);
        return;
    }
    worker = ends == RW_ENDS_BY_SIGNAL ? busiest(incident, process) : NULL;
    if (worker && worker != last)
        report(diagnosis, process, index, chain, length, worker, false);
}

void rw_rule_progress(struct rw_diagnosis *diagnosis)
{
    for (size_t i = 0; i < diagnosis->incident->process_count; i++)
        if (diagnosis->incident->processes[i].is_alive)
            look_at_process(diagnosis, &diagnosis->incident->processes[i]);
}
