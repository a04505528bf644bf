/* SPDX-License-Identifier: MIT */
/* A ring that one known edge closes: who ends an interpreter, or the program, waits for a thread that waits
 * for something of his. */
#include <talloc.h>

#include "tools/diagnosis/rules.h"
#include "tools/incident/model.h"
#include "tools/incident/words.h"

size_t rw_ring_back(struct rw_diagnosis *diagnosis, const struct rw_edge *edge, size_t **chain)
{
    size_t length = rw_graph_chain(diagnosis->graph, diagnosis->graph, edge->to, chain);

    for (size_t i = 0; i < length; i++)
        if (diagnosis->graph->edges[(*chain)[i]].to == edge->from)
            return i + 1;
    return 0;
}

enum rw_certainty rw_ring_certainty(const struct rw_diagnosis *diagnosis, const struct rw_edge *edge,
                                    const size_t *chain, size_t length)
{
    enum rw_certainty weakest = edge->certainty;

    for (size_t i = 0; i < length; i++)
        if (diagnosis->graph->edges[chain[i]].certainty < weakest)
            weakest = diagnosis->graph->edges[chain[i]].certainty;
    return weakest;
}

void rw_ring_tell(struct rw_diagnosis *diagnosis, char **sentence, const size_t *chain, size_t length)
{
    struct rw_incident *incident = diagnosis->incident;
    bool is_lock = false; /* what the first one waits for */

    for (size_t i = 0; i < length; i++) {
        const struct rw_edge *edge = &diagnosis->graph->edges[chain[i]];
        const struct rw_node *owner = &diagnosis->graph->nodes[edge->to];
        bool is_last = i + 1 == length;

        if (i == 0)
            is_lock = edge->kind == RW_EDGE_HOLDS || edge->kind == RW_EDGE_GIL;
        if (i > 0) {
            rw_append(incident, sentence, "%s %s%s",
                      i > 1     ? ", which"
                      : is_lock ? " and"
                                : "",
                      rw_edge_words(diagnosis, edge, is_last), is_last ? " itself" : "");
            continue;
        }
        /* What the first one waits for has been said; here is who has it. */
        if (!is_last)
            rw_append(incident, sentence, "; %s", rw_thread_label(incident, owner->thread));
        else if (is_lock)
            rw_append(incident, sentence, "; %s itself",
                      rw_thread_short_label(incident, owner->process, owner->thread));
        if (is_lock)
            rw_append(incident, sentence, " holds %s%s", edge->kind == RW_EDGE_GIL ? "the GIL" : "that lock",
                      edge->taken_at ? rw_words(incident, " (taken at %s)", edge->taken_at) : "");
    }
    rw_append(incident, sentence, length == 1 ? ", so neither can go on" : ", so none can go on");
}

void rw_ring_members(struct rw_diagnosis *diagnosis, struct rw_verdict *finding, const size_t *chain,
                     size_t length)
{
    finding->is_ring = true;
    for (size_t i = 0; i < length; i++) {
        const struct rw_edge *edge = &diagnosis->graph->edges[chain[i]];
        const struct rw_node *from = &diagnosis->graph->nodes[edge->from];

        if (i > 0)
            rw_verdict_culprit(diagnosis->incident, finding, from->process->pid, from->thread, "waits",
                               "%s%s", rw_edge_words(diagnosis, edge, false),
                               rw_at_place(diagnosis, from->thread));
        rw_edge_evidence(diagnosis, finding, edge);
    }
}

bool rw_is_edge_told(const struct rw_diagnosis *diagnosis, const struct rw_edge *edge)
{
    const struct rw_node *from = &diagnosis->graph->nodes[edge->from];
    const struct rw_node *to = &diagnosis->graph->nodes[edge->to];

    for (size_t i = 0; i < diagnosis->finding_count; i++) {
        const struct rw_verdict *finding = &diagnosis->findings[i];
        bool has_from = false, has_to = false;

        for (size_t j = 0; j < finding->culprit_count; j++) {
            const struct rw_culprit *culprit = &finding->culprits[j];

            has_from = has_from || (culprit->pid == from->process->pid && culprit->tid == from->thread->tid);
            has_to = has_to || (culprit->pid == to->process->pid && culprit->tid == to->thread->tid);
        }
        if (has_from && has_to)
            return true;
    }
    return false;
}
