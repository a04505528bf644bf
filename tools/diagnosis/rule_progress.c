/* SPDX-License-Identifier: MIT */
/* Not stuck but on its way: what two looks tell of the thread that the others wait for. */
#include <string.h>

#include <talloc.h>

#include "tools/diagnosis/rules.h"
#include "tools/diagnosis/stuck.h"
#include "tools/incident/interpreters.h"
#include "tools/incident/model.h"
#include "tools/incident/other_ends.h"
#include "tools/incident/wait_kinds.h"
#include "tools/incident/words.h"

#define SPINNING 0.9 /* of a processor */
#define BUSY 0.02
#define RIVAL 0.5   /* of what the worker used */
#define HOPS_MAX 16 /* from process to process */
#define POLLS_MIN 2 /* times that it was woken between two looks */

/* Its share of one processor between the two looks; negative after one look. */
static double share(const struct rw_incident *incident, const struct rw_thread *thread)
{
    if (thread->cpu_delta_s < 0 || incident->between_looks_s <= 0)
        return -1;
    return thread->cpu_delta_s / incident->between_looks_s;
}

/* It has not blocked between the looks: it ran, or was ready to. */
static bool has_only_run(const struct rw_thread *thread)
{
    return thread->blocks_delta == 0 && thread->cpu_delta_s > 0;
}

/* It uses a processor, or waits for one, makes no call that was seen, and is in the same functions at both
 * looks. How long it waits for one the kernel adds up only when it gets one: on a loaded machine that is too
 * late by as long as a round of all takes. That the thread has not blocked once is known exactly. */
static bool spins(const struct rw_incident *incident, const struct rw_thread *thread, double part)
{
    double queued = thread->queued_delta_s > 0 && incident->between_looks_s > 0
                        ? thread->queued_delta_s / incident->between_looks_s
                        : 0;
    bool uses_all = has_only_run(thread) || (part >= BUSY && part + queued >= SPINNING);

    return uses_all && !thread->waits_on && thread->same_calls == 1 && thread->transitions_delta <= 0;
}

/* It slept and woke again and again, and came back to the same functions. */
static bool polls(const struct rw_thread *thread)
{
    return thread->same_calls == 1 && thread->switches_delta >= POLLS_MIN;
}

static bool is_on_its_way(const struct rw_incident *incident, const struct rw_thread *thread)
{
    return share(incident, thread) >= BUSY || has_only_run(thread) || thread->moved == 1 ||
           thread->transitions_delta > 0;
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

/* "waits in read on fd 12 (pipe:[7]), whose other end is open in process 12 (sleep)" */
static char *waits_words(struct rw_incident *incident, const struct rw_process_info *process,
                         const struct rw_thread *thread)
{
    char *doing = rw_doing_words(incident, process, thread);
    const char *ends = thread->waits_on ? rw_other_ends_words(incident, process, thread->waits_on) : NULL;

    return ends ? rw_words(incident, "%s (%s)", doing, ends) : doing;
}

/* From the thread that a process is about to the one that can go on, if any. */
struct way {
    size_t from, to; /* nodes, or RW_NO_NODE */
    size_t *chain;   /* of `from`, in its graph */
    size_t length;
    bool is_beyond; /* `to` is further on than the chain: in a process that alone can end its last wait */
};

/* `worker` is of `process`; `is_end`: the chain ends at it. */
static void report(struct rw_diagnosis *diagnosis, const struct rw_process_info *process,
                   const struct way *way, const struct rw_thread *worker, bool is_end)
{
    struct rw_incident *incident = diagnosis->incident;
    size_t index = way->from, length = way->length;
    const size_t *chain = way->chain;
    double part = share(incident, worker);
    const struct rw_process_info *waiting = diagnosis->graph->nodes[index].process;
    const struct rw_thread *subject = diagnosis->graph->nodes[index].thread;
    bool ends_by_time = worker->waits_on && (worker->waits_on->has_deadline ||
                                             rw_wait_kind_of(worker->waits_on)->ends == RW_ENDS_BY_TIME);
    bool is_spinning = spins(incident, worker, part);
    struct rw_verdict *finding = rw_finding(diagnosis, is_spinning ? "spinning" : "slow", RW_INFERRED);
    char *sentence = NULL;
    const char *child;

    if (worker != subject)
        rw_append(incident, &sentence, "%s %s; meanwhile ", rw_thread_label(incident, subject),
                  length ? rw_edge_words(diagnosis, &diagnosis->graph->edges[chain[0]], true)
                         : waits_words(incident, waiting, subject));
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
            "polls%s: it woke %lld times within %s, and waits again in the same functions, for something "
            "that has not come",
            worker->python_count ? rw_call_words(incident, worker) : "", (long long)worker->switches_delta,
            rw_duration(incident, incident->between_looks_s));
    else if (ends_by_time)
        rw_append(incident, &sentence, "%s, a wait that ends by itself",
                  rw_doing_words(incident, process, worker));
    else
        rw_append(incident, &sentence, "makes progress: it %s and has moved since the look before",
                  rw_doing_words(incident, process, worker));
    rw_append(incident, &sentence, ",%s", place_words(diagnosis, worker));
    tell_rival(diagnosis, process, worker, &sentence);
    rw_tell_waiting_tasks(diagnosis, process, worker, &sentence);
    child = rw_failed_child_words(diagnosis, waiting, rw_waits_since(incident, subject));
    rw_append(incident, &sentence, "%s%s.", child ? "; " : "", child ? child : "");
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
    if (waiting != process) /* another process's test, not the one that runs or ran in the worker's */
        finding->test = rw_running_test(waiting);
    rw_finding_place(diagnosis, finding, process, worker);
    if (worker != subject)
        rw_finding_other_side(diagnosis, finding, subject);
}

/* A wait that has an end of its own, or a thread that moves. */
static bool can_go_on(const struct rw_incident *incident, const struct rw_thread *thread)
{
    const struct rw_wait_on *wait = thread->waits_on;

    return is_on_its_way(incident, thread) ||
           (wait && (wait->has_deadline || rw_wait_kind_of(wait)->ends == RW_ENDS_BY_TIME));
}

static size_t subject_of(const struct rw_graph *graph, const struct rw_process_info *process)
{
    const struct rw_thread *subject = process && process->is_alive ? rw_subject(process) : NULL;

    return subject ? rw_graph_node(graph, process->pid, subject->tid) : RW_NO_NODE;
}

/* The thread that the chain leads to from the one that `process` is about, and, where that one waits for
 * another process alone, on from there: so from a test to its child, and to that one's child. RW_NO_NODE:
 * none, or a ring. */
static struct way way_of(struct rw_diagnosis *diagnosis, const struct rw_process_info *process)
{
    struct rw_graph *graph = diagnosis->graph;
    struct way way = {.from = subject_of(graph, process)};
    size_t at = way.from;

    way.to = way.from;
    for (unsigned hops = 0; at != RW_NO_NODE && hops < HOPS_MAX; hops++) {
        size_t *chain, length = rw_graph_chain(graph, graph, at, &chain), other;

        if (at == way.from) {
            way.chain = chain;
            way.length = length;
        }
        way.to = rw_graph_chain_end(graph, at, chain, length);
        if (way.to == RW_NO_NODE || graph->nodes[way.to].edge_count) {
            way.to = RW_NO_NODE;
            break;
        }
        if (can_go_on(diagnosis->incident, graph->nodes[way.to].thread))
            break;
        other = subject_of(graph, rw_incident_find_process(diagnosis->incident,
                                                           rw_process_to_move(graph, &graph->nodes[way.to])));
        if (other == RW_NO_NODE)
            break;
        at = other;
        way.is_beyond = true;
    }
    return way;
}

/* Another process's way ends here as well: it is told from there, with who waits for it. */
static bool is_end_of_another(const struct rw_graph *graph, const struct way *ways, size_t count, size_t mine)
{
    const struct rw_process_info *here = graph->nodes[ways[mine].to].process;

    if (graph->nodes[ways[mine].from].process != here)
        return false;
    for (size_t i = 0; i < count; i++)
        if (ways[i].to == ways[mine].to && graph->nodes[ways[i].from].process != here)
            return true;
    return false;
}

static void look_at_end(struct rw_diagnosis *diagnosis, const struct way *way)
{
    const struct rw_incident *incident = diagnosis->incident;
    const struct rw_node *end = &diagnosis->graph->nodes[way->to];
    const struct rw_thread *worker;

    /* That another process wakes now and then is no work on what is waited for; there is a rule for such. */
    if (way->is_beyond && share(incident, end->thread) < BUSY)
        return;
    if (can_go_on(incident, end->thread)) {
        report(diagnosis, end->process, way, end->thread, !way->is_beyond);
        return;
    }
    worker = rw_wait_kind_of(end->thread->waits_on)->ends == RW_ENDS_BY_SIGNAL
                 ? busiest(incident, end->process)
                 : NULL;
    if (worker && worker != end->thread)
        report(diagnosis, end->process, way, worker, false);
}

void rw_rule_progress(struct rw_diagnosis *diagnosis)
{
    const struct rw_incident *incident = diagnosis->incident;
    struct way *ways = talloc_array(diagnosis->graph, struct way, (unsigned)incident->process_count);

    for (size_t i = 0; i < incident->process_count; i++)
        ways[i] = way_of(diagnosis, &incident->processes[i]);
    for (size_t i = 0; i < incident->process_count; i++)
        if (ways[i].to != RW_NO_NODE &&
            !is_end_of_another(diagnosis->graph, ways, incident->process_count, i))
            look_at_end(diagnosis, &ways[i]);
}
