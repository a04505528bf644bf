/* SPDX-License-Identifier: MIT */
/* Threads that wait for each other in a ring; and the ring of one, a thread that waits for itself. */
#include <talloc.h>

#include "tools/diagnosis/rules.h"
#include "tools/incident/interpreters.h"
#include "tools/incident/model.h"
#include "tools/incident/wait_kinds.h"
#include "tools/incident/words.h"

/* Members that a sentence names before it loses its reader; the culprits name all. */
#define NAMED_MEMBERS 5

/* Unknown times last. */
static bool is_earlier(uint64_t time_ns, uint64_t other_ns)
{
    return time_ns && (!other_ns || time_ns < other_ns);
}

/* Where a person looks first: at a main thread, that of the process which began first, for a child's pid may
 * be the lower one; else at who waits longest. */
static bool is_seen_before(const struct rw_incident *incident, const struct rw_node *node,
                           const struct rw_node *other)
{
    if (node->thread->is_main != other->thread->is_main)
        return node->thread->is_main;
    if (node->thread->is_main)
        return is_earlier(node->process->started_ns, other->process->started_ns);
    return is_earlier(rw_waits_since(incident, node->thread), rw_waits_since(incident, other->thread));
}

static void rotate(void *ctx, const struct rw_incident *incident, const struct rw_graph *graph,
                   struct rw_cycle *cycle)
{
    size_t *edges = talloc_array(ctx, size_t, (unsigned)cycle->length);
    const struct rw_node *first = NULL;
    size_t best = 0;

    for (size_t i = 0; i < cycle->length; i++) {
        const struct rw_node *node = &graph->nodes[graph->edges[cycle->edges[i]].from];

        if (first && !is_seen_before(incident, node, first))
            continue;
        first = node;
        best = i;
    }
    for (size_t i = 0; i < cycle->length; i++)
        edges[i] = cycle->edges[(best + i) % cycle->length];
    cycle->edges = edges;
}

/* Who holds what the waiter waits for also waits: why both sides are named. */
static char *why(struct rw_diagnosis *diagnosis, const struct rw_edge *edge, const struct rw_edge *before)
{
    void *ctx = diagnosis->incident;
    const struct rw_thread *thread = diagnosis->graph->nodes[edge->from].thread;
    char *text =
        rw_words(ctx, "%s%s%s", rw_edge_words(diagnosis, edge, false),
                 rw_for_how_long(ctx, diagnosis->incident, rw_waits_since(diagnosis->incident, thread)),
                 rw_at_place(diagnosis, thread));

    if (before->kind == RW_EDGE_HOLDS)
        rw_append(ctx, &text, "; %s %s", rw_wait_kind_of(before->wait)->is_run ? "runs" : "holds",
                  rw_object_words(ctx, diagnosis->graph->nodes[before->from].process, before->wait));
    else if (before->kind == RW_EDGE_GIL)
        rw_append(ctx, &text, "; holds the GIL");
    if (before->taken_at && before->kind == RW_EDGE_HOLDS)
        rw_append(ctx, &text, ", taken at %s", before->taken_at);
    return text;
}

static void self_deadlock(struct rw_diagnosis *diagnosis, const struct rw_edge *edge)
{
    const struct rw_node *node = &diagnosis->graph->nodes[edge->from];
    struct rw_verdict *finding = rw_finding(diagnosis, "self-deadlock", edge->certainty);
    struct rw_incident *incident = diagnosis->incident;
    const char *holds = rw_wait_kind_of(edge->wait)->is_run ? "runs" : "holds";
    const char *taken = edge->taken_at ? rw_words(incident, ", taken at %s", edge->taken_at) : "";

    finding->is_ring = true;
    finding->sentence =
        rw_words(incident, "%s %s%s, which it %s itself%s.", rw_thread_label(incident, node->thread),
                 rw_wait_words(incident, node->process, edge->wait),
                 rw_for_how_long(incident, incident, edge->wait->since_ns), holds, taken);
    rw_verdict_culprit(incident, finding, node->process->pid, node->thread, "owner", "%s%s; %s it already%s",
                       rw_wait_words(incident, node->process, edge->wait),
                       rw_at_place(diagnosis, node->thread), holds, taken);
    rw_edge_evidence(diagnosis, finding, edge);
    rw_finding_place(diagnosis, finding, node->process, node->thread);
}

/* Who destroys an interpreter or ends the program waits for a thread, and that thread for him: the rules for
 * those say all that this one could. */
static bool is_told_by_its_ending(const struct rw_diagnosis *diagnosis, const struct rw_cycle *cycle)
{
    for (size_t i = 0; i < cycle->length; i++) {
        const struct rw_edge *edge = &diagnosis->graph->edges[cycle->edges[i]];
        const struct rw_node *from = &diagnosis->graph->nodes[edge->from];
        bool is_ending = rw_thread_ending(from->process, from->thread).is_ending ||
                         (rw_is_ending(from->process) && rw_subject(from->process) == from->thread);

        if (is_ending && rw_is_edge_told(diagnosis, edge))
            return true;
    }
    return false;
}

/* It has gone on since the look before, and is in the same calls again. */
static bool is_back_again(const struct rw_thread *thread)
{
    return thread->same_calls == 1 && thread->transitions_delta > 0;
}

static void report_cycle(struct rw_diagnosis *diagnosis, const struct rw_cycle *cycle)
{
    const struct rw_graph *graph = diagnosis->graph;
    struct rw_incident *incident = diagnosis->incident;
    enum rw_certainty certainty = RW_EXACT;
    const struct rw_edge *first = &graph->edges[cycle->edges[0]];
    const struct rw_node *start = &graph->nodes[first->from];
    struct rw_verdict *finding;
    char *sentence = NULL;
    bool ends_by_itself = false, goes_on = true;

    for (size_t i = 0; i < cycle->length; i++) {
        const struct rw_edge *edge = &graph->edges[cycle->edges[i]];

        if (edge->certainty < certainty)
            certainty = edge->certainty;
        ends_by_itself = ends_by_itself || edge->ends_by_itself;
        goes_on = goes_on && is_back_again(graph->nodes[edge->from].thread);
    }
    finding = rw_finding(diagnosis, ends_by_itself && goes_on ? "livelock" : "cycle", certainty);
    finding->is_ring = !(ends_by_itself && goes_on);
    rw_append(incident, &sentence, "%s: %s", ends_by_itself && goes_on ? "Livelock" : "Deadlock",
              rw_thread_label(incident, start->thread));
    for (size_t i = 0; i < cycle->length; i++) {
        const struct rw_edge *edge = &graph->edges[cycle->edges[i]];
        const struct rw_edge *before = &graph->edges[cycle->edges[(i + cycle->length - 1) % cycle->length]];
        const struct rw_node *from = &graph->nodes[edge->from];
        bool is_last = i + 1 == cycle->length;

        if (i < NAMED_MEMBERS || is_last)
            rw_append(incident, &sentence, "%s %s",
                      i == 0              ? ""
                      : i > NAMED_MEMBERS ? " which"
                                          : ", which",
                      rw_edge_words(diagnosis, edge, is_last));
        else if (i == NAMED_MEMBERS)
            rw_append(incident, &sentence, ", and so on through %zu threads, the last of", cycle->length);
        rw_verdict_culprit(incident, finding, from->process->pid, from->thread, "waits", "%s",
                           why(diagnosis, edge, before));
        rw_edge_evidence(diagnosis, finding, edge);
    }
    rw_append(incident, &sentence, ".");
    if (ends_by_itself && goes_on)
        rw_append(incident, &sentence,
                  " They give up and try again, and are in the same calls at both looks.");
    else if (ends_by_itself)
        rw_append(incident, &sentence, " One of these waits has a time limit, so it ends by itself.");
    finding->sentence = sentence;
    rw_finding_place(diagnosis, finding, start->process, start->thread);
    rw_finding_other_side(diagnosis, finding, graph->nodes[first->to].thread);
}

/* A lock that another thread releases is a signal, and its last taker no owner: who waits for the next one
 * for so long at most is an idle worker (trio's thread cache), not one that blocks itself. */
static bool may_be_a_signal(const struct rw_edge *edge)
{
    return edge->ends_by_itself && edge->wait->owner.certainty < RW_EXACT;
}

void rw_rule_cycle(struct rw_diagnosis *diagnosis)
{
    struct rw_cycle *cycles;
    size_t count = rw_graph_cycles(diagnosis->graph, diagnosis->graph, &cycles);

    for (size_t i = 0; i < count; i++) {
        const struct rw_edge *edge = &diagnosis->graph->edges[cycles[i].edges[0]];

        if (cycles[i].length == 1 && edge->kind == RW_EDGE_HOLDS) {
            if (!may_be_a_signal(edge))
                self_deadlock(diagnosis, edge);
        } else if (cycles[i].length > 1 && !is_told_by_its_ending(diagnosis, &cycles[i])) {
            rotate(diagnosis->graph, diagnosis->incident, diagnosis->graph, &cycles[i]);
            report_cycle(diagnosis, &cycles[i]);
        }
    }
}
