/* SPDX-License-Identifier: MIT */
/*
 * The GIL is held, and its holder does not let go: it blocks in a call without releasing it, or it computes.
 *
 * Threads that wait for the GIL are nothing by themselves: in a busy program there is always one. What counts
 * is the holder. A holder that waits in the kernel with the GIL in its hands is wrong at once. One that runs
 * is wrong only if others have starved for long, since the GIL is asked back every 5 ms.
 */
#include <string.h>
#include <talloc.h>

#include "tools/diagnosis/rules.h"
#include "tools/incident/interpreters.h"
#include "tools/incident/model.h"
#include "tools/incident/wait_kinds.h"
#include "tools/incident/words.h"

/* Two hundred times the interval at which the GIL is asked back. */
#define STARVED_S 1.0
/* Of a processor: what asking for the GIL every 5 ms uses, and some. */
#define STARVED_SHARE 0.02

static bool waits_for_gil(const struct rw_thread *thread)
{
    return thread->waits_on && thread->waits_on->kind && strcmp(thread->waits_on->kind, "gil") == 0;
}

static const struct rw_thread *longest_waiter(const struct rw_incident *incident,
                                              const struct rw_graph *graph, size_t holder, size_t *count,
                                              enum rw_certainty *certainty, const struct rw_edge **through)
{
    const struct rw_thread *longest = NULL;
    uint64_t longest_since = 0;

    *count = 0;
    for (size_t i = 0; i < graph->edge_count; i++) {
        const struct rw_edge *edge = &graph->edges[i];
        const struct rw_thread *waiter = graph->nodes[edge->from].thread;
        uint64_t since = rw_waits_since(incident, waiter);

        if (edge->kind != RW_EDGE_GIL || edge->to != holder)
            continue;
        ++*count;
        if (!longest || (since && (!longest_since || since < longest_since))) {
            longest = waiter;
            longest_since = since;
            *certainty = edge->certainty;
            *through = edge;
        }
    }
    return longest;
}

/* Two looks apart it did not get on: who gets the GIL now and then uses a processor now and then. */
static bool is_starved(const struct rw_incident *incident, const struct rw_thread *waiter)
{
    return incident->between_looks_s > 0 && waiter->cpu_delta_s >= 0 && waiter->same_calls == 1 &&
           waiter->cpu_delta_s < incident->between_looks_s * STARVED_SHARE;
}

/* The holder waits for somebody who can still end that wait. Where its chain comes back or ends at a thread
 * that cannot run, the other rules say more. */
static bool has_way_out(struct rw_diagnosis *diagnosis, size_t index)
{
    const struct rw_graph *graph = diagnosis->graph;
    size_t *chain;
    size_t length = rw_graph_chain(diagnosis->graph, graph, index, &chain);
    size_t end = rw_graph_chain_end(graph, index, chain, length);

    return end != RW_NO_NODE && graph->nodes[end].edge_count == 0 &&
           (length == 0 || graph->edges[chain[length - 1]].end == RW_END_THREAD);
}

static void look_at_holder(struct rw_diagnosis *diagnosis, size_t index)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_node *node = &diagnosis->graph->nodes[index];
    const struct rw_thread *holder = node->thread;
    const struct rw_edge *through = NULL;
    enum rw_certainty certainty = RW_UNKNOWN;
    size_t waiters;
    const struct rw_thread *waiter =
        longest_waiter(incident, diagnosis->graph, index, &waiters, &certainty, &through);
    char *call = rw_call_words(diagnosis->incident, holder);
    bool is_blocked = holder->waits_on && !waits_for_gil(holder);
    double starved_s;
    struct rw_verdict *finding;
    char *sentence = NULL;

    if (!waiter || rw_thread_is_gone(node->process, holder) || !has_way_out(diagnosis, index) ||
        waits_for_gil(holder) || (is_blocked && holder->moved == 1))
        return;
    starved_s = rw_seconds_since(incident, rw_waits_since(incident, waiter));
    if (!is_blocked && (starved_s < STARVED_S || !is_starved(incident, waiter)))
        return;
    /* One look may have met a short call that happens to enter the kernel. */
    if ((!is_blocked || (holder->moved != 0 && starved_s < STARVED_S)) && certainty > RW_INFERRED)
        certainty = RW_INFERRED;
    finding = rw_finding(diagnosis, "gil-held", certainty);
    rw_append(incident, &sentence, "%s holds the GIL and does not let go: it %s",
              rw_thread_label(incident, holder), rw_doing_words(incident, node->process, holder));
    if (is_blocked)
        rw_append(incident, &sentence, "%s",
                  rw_for_how_long(incident, incident, rw_waits_since(incident, holder)));
    rw_append(incident, &sentence, "%s", call);
    if (!call[0] && holder->python_count && !is_blocked)
        rw_append(incident, &sentence, " Python code");
    rw_append(incident, &sentence, "%s", rw_at_place(diagnosis, holder));
    if (holder->python_count && holder->python[0].interpreter > 0)
        rw_append(incident, &sentence, ", in interpreter %lld", (long long)holder->python[0].interpreter);
    rw_append(incident, &sentence, "; %zu thread%s for it, %s%s.", waiters,
              waiters == 1 ? " waits" : "s wait", rw_thread_label(incident, waiter),
              rw_for_how_long(incident, incident, rw_waits_since(incident, waiter)));
    finding->sentence = sentence;
    rw_verdict_culprit(incident, finding, node->process->pid, holder, "holder", "%s%s%s",
                       rw_doing_words(incident, node->process, holder), call, rw_at_place(diagnosis, holder));
    rw_verdict_culprit(incident, finding, node->process->pid, waiter, "waits", "waits for the GIL%s%s",
                       rw_for_how_long(incident, incident, rw_waits_since(incident, waiter)),
                       rw_at_place(diagnosis, waiter));
    rw_edge_evidence(diagnosis, finding, through);
    if (!is_blocked)
        rw_verdict_evidence(incident, finding,
                            "the holder runs; %s has waited for %s, where 5 ms are usual: inferred",
                            rw_thread_label(incident, waiter), rw_duration(incident, starved_s));
    rw_finding_place(diagnosis, finding, node->process, holder);
}

void rw_rule_gil(struct rw_diagnosis *diagnosis)
{
    const struct rw_graph *graph = diagnosis->graph;
    bool *seen = talloc_zero_array(diagnosis->graph, bool, (unsigned)graph->node_count + 1);

    for (size_t i = 0; seen && i < graph->edge_count; i++) {
        size_t holder = graph->edges[i].to;

        if (graph->edges[i].kind != RW_EDGE_GIL || holder == RW_NO_NODE || seen[holder])
            continue;
        seen[holder] = true;
        look_at_holder(diagnosis, holder);
    }
}
