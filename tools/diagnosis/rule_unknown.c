/* SPDX-License-Identifier: MIT */
/* No rule stands for what is there: who waits for whom, as far as it can be followed, and where that ends. */
#include "tools/diagnosis/rules.h"
#include "tools/incident/model.h"
#include "tools/incident/words.h"

/* The process that runs a test, else the first one that is there. */
static const struct rw_process_info *choose(const struct rw_incident *incident)
{
    const struct rw_process_info *best = NULL;

    for (size_t i = 0; i < incident->process_count; i++) {
        const struct rw_process_info *process = &incident->processes[i];

        if (process->thread_count && rw_running_test(process))
            return process;
        if (process->thread_count && !rw_is_supervisor(incident, process) &&
            (!best || (process->is_alive && !best->is_alive)))
            best = process;
    }
    return best;
}

void rw_rule_unknown(struct rw_diagnosis *diagnosis)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_graph *graph = diagnosis->graph;
    const struct rw_process_info *process = choose(incident);
    const struct rw_thread *subject = process ? rw_subject(process) : NULL;
    size_t index = subject ? rw_graph_node(graph, process->pid, subject->tid) : RW_NO_NODE;
    struct rw_verdict *finding;
    size_t *chain, length, end;
    char *sentence = NULL;
    const char *gone = "";

    if (diagnosis->finding_count)
        return;
    finding = rw_finding(diagnosis, "unknown", RW_UNKNOWN);
    if (index == RW_NO_NODE) {
        finding->sentence = rw_words(incident, "Nothing is known of any thread, so nobody can be blamed.");
        return;
    }
    if (process->is_alive && rw_thread_is_gone(process, subject)) {
        finding->sentence = rw_words(incident, "Every thread of process %d has ended.", process->pid);
        return;
    }
    if (!process->is_alive)
        gone = rw_words(incident, "Process %d is gone; this is how it was last seen: ", process->pid);
    length = rw_graph_chain(diagnosis->graph, graph, index, &chain);
    end = rw_graph_chain_end(graph, index, chain, length);
    rw_append(incident, &sentence, "%s%s", gone, rw_chain_words(diagnosis, index, chain, length));
    if (length)
        finding->certainty = RW_INFERRED;
    if (end != RW_NO_NODE)
        rw_finding_place(diagnosis, finding, graph->nodes[end].process, graph->nodes[end].thread);
    rw_append(incident, &sentence, "%s", process->is_alive ? "; why this does not end is not known." : ".");
    finding->sentence = sentence;
    rw_finding_chain(diagnosis, finding, index, chain, length, length ? "blocker" : "waits");
    rw_finding_place(diagnosis, finding, process, subject);
}
