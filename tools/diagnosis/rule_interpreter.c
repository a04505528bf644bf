/* SPDX-License-Identifier: MIT */
/* An interpreter that cannot be destroyed, because a thread is still in it. */
#include <talloc.h>

#include "tools/diagnosis/rules.h"
#include "tools/incident/interpreters.h"
#include "tools/incident/model.h"
#include "tools/incident/wait_kinds.h"
#include "tools/incident/words.h"

static const char *or_null(const char *text)
{
    return text && text[0] ? text : NULL;
}

/* "non-daemon thread 'parked' (tid 77) of interpreter 1, created by MainThread in test t.py::x, which waits
 * .." */
static void describe_blocker(struct rw_diagnosis *diagnosis, const struct rw_process_info *process,
                             const struct rw_thread *blocker, const struct rw_ending *ending, char **sentence)
{
    struct rw_incident *incident = diagnosis->incident;

    rw_append(incident, sentence, "%s%s", blocker->is_daemon == 0 ? "non-daemon thread " : "",
              rw_thread_label(incident, blocker));
    if (ending->interpreter >= 0 && rw_thread_is_in(process, blocker, ending->interpreter))
        rw_append(incident, sentence, " of interpreter %lld", (long long)ending->interpreter);
    if (blocker->creator_tid) {
        const struct rw_thread *creator = rw_process_find_thread(process, blocker->creator_tid);

        rw_append(incident, sentence, ", created by %s",
                  creator                          ? rw_thread_short_label(incident, process, creator)
                  : or_null(blocker->creator_name) ? rw_words(incident, "'%s'", blocker->creator_name)
                                                   : rw_words(incident, "thread %d", blocker->creator_tid));
    }
    if (or_null(blocker->created_in_test))
        rw_append(incident, sentence, "%s in test %s", blocker->creator_tid ? "" : ", created",
                  blocker->created_in_test);
    rw_append(incident, sentence, ", which %s%s", rw_doing_words(incident, process, blocker),
              rw_at_place(diagnosis, blocker));
}

static bool is_subinterpreter(const struct rw_process_info *process, int64_t id)
{
    const struct rw_interpreter_info *interpreter = rw_process_find_interpreter(process, id);

    return interpreter ? !interpreter->is_main : id > 0;
}

static void report(struct rw_diagnosis *diagnosis, size_t node_index, const struct rw_ending *ending)
{
    const struct rw_graph *graph = diagnosis->graph;
    const struct rw_node *node = &graph->nodes[node_index];
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_edge *edges = &graph->edges[node->first_edge];
    enum rw_certainty certainty = edges[0].certainty;
    struct rw_verdict *finding;
    const struct rw_thread *first_blocker = NULL;
    const struct rw_interpreter_info *interpreter =
        rw_process_find_interpreter(node->process, ending->interpreter);
    char *sentence = NULL;
    size_t named = 0;

    finding = rw_finding(diagnosis, "interpreter-destroy", certainty);
    rw_append(incident, &sentence, "%s has been %s", rw_thread_label(incident, node->thread),
              ending->is_finalize ? "finalising Python" : "destroying");
    if (!ending->is_finalize && ending->interpreter >= 0)
        rw_append(incident, &sentence, " interpreter %lld", (long long)ending->interpreter);
    else if (!ending->is_finalize)
        rw_append(incident, &sentence, " an interpreter");
    rw_append(incident, &sentence, "%s; it waits for ",
              rw_for_how_long(incident, incident, ending->since_ns));
    rw_verdict_culprit(incident, finding, node->process->pid, node->thread, "destroyer", "%s%s%s",
                       rw_doing_words(incident, node->process, node->thread),
                       rw_for_how_long(incident, incident, ending->since_ns),
                       rw_at_place(diagnosis, node->thread));
    rw_verdict_evidence(incident, finding, "%s %s", rw_thread_label(incident, node->thread),
                        rw_words(incident, "ends an interpreter: %s", ending->how));
    for (size_t i = 0; i < node->edge_count; i++) {
        const struct rw_edge *edge = &edges[i];
        const struct rw_thread *blocker;
        size_t *chain, length;

        if (edge->to == RW_NO_NODE)
            continue;
        blocker = graph->nodes[edge->to].thread;
        rw_append(incident, &sentence, "%s", named == 0 ? "" : "; or for ");
        describe_blocker(diagnosis, node->process, blocker, ending, &sentence);
        rw_verdict_culprit(incident, finding, node->process->pid, blocker, "blocker", "%s%s%s",
                           rw_doing_words(incident, node->process, blocker),
                           rw_for_how_long(incident, incident, rw_waits_since(incident, blocker)),
                           rw_at_place(diagnosis, blocker));
        rw_edge_evidence(diagnosis, finding, edge);
        length = rw_ring_back(diagnosis, edge, &chain);
        if (length) {
            rw_ring_tell(diagnosis, &sentence, chain, length);
            rw_ring_members(diagnosis, finding, chain, length);
            certainty = rw_ring_certainty(diagnosis, edge, chain, length);
        }
        if (certainty < finding->certainty)
            finding->certainty = certainty;
        first_blocker = first_blocker ? first_blocker : blocker;
        named++;
    }
    rw_append(incident, &sentence, ".");
    finding->sentence = sentence;
    finding->test = rw_running_test(node->process);
    if (!finding->test && interpreter)
        finding->test = or_null(interpreter->created_in_test);
    rw_finding_place(diagnosis, finding, node->process, first_blocker ? first_blocker : node->thread);
    rw_finding_other_side(diagnosis, finding, node->thread);
}

/* The thread states were read, and none but the destroyer's is in there. */
static bool is_alone_in(const struct rw_process_info *process, const struct rw_thread *destroyer,
                        int64_t interpreter)
{
    if (interpreter < 0 || !rw_process_find_interpreter(process, interpreter) ||
        !rw_thread_is_in(process, destroyer, interpreter) || !rw_has_thread_states(process))
        return false;
    for (size_t i = 0; i < process->thread_count; i++)
        if (&process->threads[i] != destroyer && process->threads[i].is_alive &&
            rw_thread_is_in(process, &process->threads[i], interpreter))
            return false;
    return true;
}

/* threading waits for the lock of a thread that is in the interpreter no more: one that imported threading
 * there before any other did, and is taken for its main thread (3.9 to 3.12), or that ended on the way. */
static void report_nobody(struct rw_diagnosis *diagnosis, const struct rw_node *node,
                          const struct rw_ending *ending)
{
    struct rw_incident *incident = diagnosis->incident;
    struct rw_verdict *finding = rw_finding(diagnosis, "interpreter-destroy", RW_INFERRED);
    const struct rw_interpreter_info *interpreter =
        rw_process_find_interpreter(node->process, ending->interpreter);
    const char *how_long = rw_for_how_long(incident, incident, ending->since_ns);

    finding->sentence = rw_words(
        incident,
        "%s has been destroying interpreter %lld%s; it waits for the end of a thread%s, and no other thread "
        "is in that interpreter any more. Up to Python 3.12 the thread that imported threading there first "
        "counts as its main thread, and never ends for it if another one destroys it.",
        rw_thread_label(incident, node->thread), (long long)ending->interpreter, how_long,
        rw_at_place(diagnosis, node->thread));
    rw_verdict_culprit(incident, finding, node->process->pid, node->thread, "destroyer", "%s%s%s",
                       rw_doing_words(incident, node->process, node->thread), how_long,
                       rw_at_place(diagnosis, node->thread));
    rw_verdict_evidence(incident, finding, "%s ends an interpreter: %s",
                        rw_thread_label(incident, node->thread), ending->how);
    rw_verdict_evidence(incident, finding, "of all thread states of interpreter %lld only its own is left",
                        (long long)ending->interpreter);
    finding->test = rw_running_test(node->process);
    if (!finding->test)
        finding->test = or_null(interpreter->created_in_test);
    rw_finding_place(diagnosis, finding, node->process, node->thread);
    rw_finding_other_side(diagnosis, finding, node->thread);
}

static bool joins(const struct rw_thread *thread)
{
    return thread->waits_on && !thread->waits_on->has_deadline &&
           rw_wait_kind_of(thread->waits_on)->ends == RW_ENDS_BY_EXIT;
}

void rw_rule_interpreter(struct rw_diagnosis *diagnosis)
{
    const struct rw_graph *graph = diagnosis->graph;

    for (size_t i = 0; i < graph->node_count; i++) {
        const struct rw_node *node = &graph->nodes[i];
        const struct rw_ending ending = rw_thread_ending(node->process, node->thread);
        bool has_blocker = false;
        bool is_subs = !ending.is_finalize;

        if (!ending.is_ending)
            continue;
        for (size_t j = 0; j < node->edge_count; j++) {
            const struct rw_edge *edge = &graph->edges[node->first_edge + j];
            const struct rw_thread *blocker = edge->to == RW_NO_NODE ? NULL : graph->nodes[edge->to].thread;

            if (!blocker || edge->kind == RW_EDGE_GIL || edge->end == RW_END_GONE || edge->to == i)
                continue;
            has_blocker = true;
            /* Finalising Python ends the subinterpreters that are left. */
            for (size_t k = 0; k < blocker->thread_state_count && !is_subs; k++)
                is_subs = is_subinterpreter(node->process, blocker->thread_states[k].interpreter);
        }
        if (has_blocker && is_subs)
            report(diagnosis, i, &ending);
        else if (!has_blocker && is_subs && joins(node->thread) &&
                 is_alone_in(node->process, node->thread, ending.interpreter))
            report_nobody(diagnosis, node, &ending);
    }
}
