/* SPDX-License-Identifier: MIT */
/* What rules share: making a finding, and the words for edges, chains and places. */
#include <string.h>
#include <talloc.h>

#include "tools/basics/paths.h"
#include "tools/diagnosis/rules.h"
#include "tools/incident/model.h"
#include "tools/incident/other_ends.h"
#include "tools/incident/wait_kinds.h"
#include "tools/incident/words.h"

struct rw_verdict *rw_finding(struct rw_diagnosis *diagnosis, const char *class_name,
                              enum rw_certainty certainty)
{
    struct rw_verdict *finding;

    diagnosis->findings =
        rw_grow(diagnosis->incident, diagnosis->findings, diagnosis->finding_count, sizeof *finding);
    finding = &diagnosis->findings[diagnosis->finding_count++];
    finding->class_name = class_name;
    finding->certainty = certainty;
    return finding;
}

const char *rw_running_test(const struct rw_process_info *process)
{
    return process->test && process->test[0] ? process->test : NULL;
}

bool rw_was_forked(const struct rw_process_info *process)
{
    for (size_t i = 0; i < process->history_count; i++)
        if (process->history[i].event && strcmp(process->history[i].event, "forked") == 0)
            return true;
    return false;
}

bool rw_is_supervisor(const struct rw_incident *incident, const struct rw_process_info *process)
{
    const struct rw_thread *subject = rw_subject(process);
    const struct rw_wait_on *wait = subject ? subject->waits_on : NULL;

    if (!wait || !wait->kind || rw_alive_threads(process) != 1 ||
        (strcmp(wait->kind, "process") != 0 && strcmp(wait->kind, "signal") != 0))
        return false;
    for (size_t i = 0; i < incident->process_count; i++)
        if (incident->processes[i].ppid == process->pid && incident->processes[i].is_alive &&
            incident->processes[i].thread_count)
            return true;
    return false;
}

size_t rw_alive_threads(const struct rw_process_info *process)
{
    size_t alive = 0;

    for (size_t i = 0; i < process->thread_count; i++)
        alive += process->threads[i].tid > 0 && !rw_thread_is_gone(process, &process->threads[i]);
    return alive;
}

bool rw_is_ending(const struct rw_process_info *process)
{
    return process->main_returned_ns || process->exit_begin_ns || process->finalize_begin_ns;
}

const struct rw_thread *rw_subject(const struct rw_process_info *process)
{
    for (size_t i = 0; i < process->thread_count; i++)
        if (process->threads[i].is_main && !rw_thread_is_gone(process, &process->threads[i]))
            return &process->threads[i];
    /* A main thread that ended by pthread_exit: the first one that lives on. */
    for (size_t i = 0; i < process->thread_count; i++)
        if (process->threads[i].tid && !rw_thread_is_gone(process, &process->threads[i]))
            return &process->threads[i];
    return process->thread_count ? &process->threads[0] : NULL;
}

char *rw_at_place(struct rw_diagnosis *diagnosis, const struct rw_thread *thread)
{
    char *place = rw_place(diagnosis->incident, thread);

    return place ? rw_words(diagnosis->incident, " at %s", place) : rw_words(diagnosis->incident, "%s", "");
}

/* How Python calls a function of C: by one of its own that says nothing of which. */
static bool is_call_of_python(const struct rw_frame *frame)
{
    static const char *const starts[] = {"Py", "_Py", "cfunction_", "method_vectorcall", "slot_tp_call"};
    const char *module = frame->module ? rw_base_name(frame->module) : "";

    if (strncmp(module, "python", 6) != 0 && strncmp(module, "libpython", 9) != 0)
        return false;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (strncmp(frame->function, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

char *rw_call_words(void *ctx, const struct rw_thread *thread)
{
    const struct rw_frame *library = NULL;

    for (size_t i = 0; i < thread->native_count && !thread->native[i].is_python_eval; i++) {
        const struct rw_frame *frame = &thread->native[i];

        if (!frame->function || frame->is_shim || is_call_of_python(frame))
            continue;
        /* The C library's outermost frame is what was called; what it is made of is its own business. */
        if (rw_is_plumbing(frame)) {
            library = frame;
            continue;
        }
        return library ? rw_words(ctx, " in %s, called by %s", library->function, frame->function)
                       : rw_words(ctx, " in %s", frame->function);
    }
    return library ? rw_words(ctx, " in %s", library->function) : rw_words(ctx, "%s", "");
}

/* Who began to wait before the running test began has nothing to do with it. */
bool rw_waits_since_an_earlier_test(const struct rw_process_info *process, const struct rw_thread *thread)
{
    const struct rw_wait_on *wait = thread->waits_on;

    return wait && wait->since_ns && wait->since_ns < process->test_begin_ns;
}

void rw_finding_place(struct rw_diagnosis *diagnosis, struct rw_verdict *finding,
                      const struct rw_process_info *process, const struct rw_thread *where)
{
    if (!finding->look_at)
        finding->look_at = rw_file_place(diagnosis->incident, where);
    if (finding->test)
        return;
    if (!rw_waits_since_an_earlier_test(process, where))
        finding->test = rw_running_test(process);
    if (!finding->test)
        finding->test = where->created_in_test && where->created_in_test[0] ? where->created_in_test : NULL;
}

/* A line that a person could change. */
static bool is_own_code(const char *place)
{
    return !rw_is_in_no_file(place) && !rw_is_library_file(place);
}

void rw_finding_other_side(struct rw_diagnosis *diagnosis, struct rw_verdict *finding,
                           const struct rw_thread *thread)
{
    char *place = rw_file_place(diagnosis->incident, thread);

    if (!place || finding->look_at_also || (finding->look_at && strcmp(place, finding->look_at) == 0))
        return;
    finding->look_at_also = place;
    if (finding->look_at && !is_own_code(finding->look_at) && is_own_code(place)) {
        finding->look_at_also = finding->look_at;
        finding->look_at = place;
    }
}

static char *owner_label(struct rw_diagnosis *diagnosis, const struct rw_edge *edge, bool is_short)
{
    void *ctx = diagnosis->incident;
    const struct rw_node *owner;

    if (edge->to == RW_NO_NODE)
        return rw_words(ctx, "thread %d, which does not exist", edge->owner_tid);
    owner = &diagnosis->graph->nodes[edge->to];
    if (owner->process != diagnosis->graph->nodes[edge->from].process)
        return rw_words(ctx, "%s of process %d", rw_thread_label(ctx, owner->thread), owner->process->pid);
    return is_short ? rw_thread_short_label(ctx, owner->process, owner->thread)
                    : rw_thread_label(ctx, owner->thread);
}

char *rw_edge_words(struct rw_diagnosis *diagnosis, const struct rw_edge *edge, bool is_short)
{
    void *ctx = diagnosis->incident;
    const struct rw_node *from = &diagnosis->graph->nodes[edge->from];
    char *owner = owner_label(diagnosis, edge, is_short);

    switch (edge->kind) {
    case RW_EDGE_HOLDS:
        return rw_words(ctx, "%s %s by %s", rw_wait_words(ctx, from->process, edge->wait),
                        rw_wait_kind_of(edge->wait)->owner_is_guess ? "last taken"
                        : rw_wait_kind_of(edge->wait)->is_run       ? "run"
                                                                    : "held",
                        owner);
    case RW_EDGE_GIL:
        return rw_words(ctx, "waits for the GIL held by %s", owner);
    case RW_EDGE_JOINS:
        return rw_words(ctx, "waits for %s to end", owner);
    case RW_EDGE_STARTS:
        return rw_words(ctx, "has started %s and waits for it to begin", owner);
    case RW_EDGE_EXITS:
        return rw_words(ctx, "waits for process %d to end", edge->channel->holders[0].pid);
    case RW_EDGE_OTHER_END:
        return rw_words(ctx, "%s for %s to %s", rw_wait_words(ctx, from->process, edge->wait), owner,
                        rw_is_not_accepted(edge->channel)           ? "accept the connection"
                        : strcmp(edge->channel->wants, "room") == 0 ? "make room"
                        : strcmp(edge->channel->wants, "data") == 0 ? "send something"
                                                                    : "answer");
    case RW_EDGE_DESTROYS:
        break;
    }
    if (from->thread->interpreter_call_id >= 0)
        return rw_words(ctx, "is destroying interpreter %lld and waits for its thread %s to end",
                        (long long)from->thread->interpreter_call_id, owner);
    return rw_words(ctx, "is destroying an interpreter and waits for its thread %s to end", owner);
}

void rw_edge_evidence(struct rw_diagnosis *diagnosis, struct rw_verdict *finding, const struct rw_edge *edge)
{
    void *ctx = diagnosis->incident;
    const struct rw_thread *waiter = diagnosis->graph->nodes[edge->from].thread;
    char *text = rw_words(ctx, "%s %s", rw_thread_label(ctx, waiter), rw_edge_words(diagnosis, edge, false));

    if (edge->taken_at)
        rw_append(ctx, &text, ", taken at %s", edge->taken_at);
    rw_append(ctx, &text, ": %s", rw_certainty_name(edge->certainty));
    if (edge->how && edge->wait && edge->wait->kind && strcmp(edge->wait->kind, "semaphore") == 0)
        rw_append(ctx, &text,
                  ": the recording says that it took the semaphore last, and nobody has posted it "
                  "since");
    else if (edge->how)
        rw_append(ctx, &text, ", from %s", edge->how);
    if (edge->wait && edge->wait->evidence)
        rw_append(ctx, &text, "; evidence of the wait: %s", edge->wait->evidence);
    if (edge->ends_by_itself)
        rw_append(ctx, &text, "; this wait has a time limit and ends by itself");
    rw_verdict_evidence(diagnosis->incident, finding, "%s", text);
}

/* What the thread does, since when and where; as a clause that follows its name. */
static char *clause(struct rw_diagnosis *diagnosis, const struct rw_process_info *process,
                    const struct rw_thread *thread)
{
    void *ctx = diagnosis->incident;
    uint64_t since = rw_waits_since(diagnosis->incident, thread);

    return rw_words(ctx, "%s%s%s", rw_doing_words(ctx, process, thread),
                    rw_for_how_long(ctx, diagnosis->incident, since), rw_at_place(diagnosis, thread));
}

size_t rw_sure_chain(struct rw_diagnosis *diagnosis, size_t node, size_t **chain)
{
    const struct rw_graph *graph = diagnosis->graph;
    size_t length = rw_graph_chain(diagnosis->graph, graph, node, chain);

    for (size_t i = 0; i < length; i++)
        if (rw_wait_kind_of(graph->edges[(*chain)[i]].wait)->owner_is_guess)
            return i;
    return length;
}

char *rw_chain_words(struct rw_diagnosis *diagnosis, size_t node, const size_t *chain, size_t length)
{
    const struct rw_graph *graph = diagnosis->graph;
    size_t end = rw_graph_chain_end(graph, node, chain, length);
    char *text = rw_thread_label(diagnosis->incident, graph->nodes[node].thread);

    for (size_t i = 0; i < length; i++)
        rw_append(diagnosis->incident, &text, "%s %s", i ? ", which" : "",
                  rw_edge_words(diagnosis, &graph->edges[chain[i]], false));
    if (end != RW_NO_NODE)
        rw_append(diagnosis->incident, &text, "%s %s", length ? ", which" : "",
                  clause(diagnosis, graph->nodes[end].process, graph->nodes[end].thread));
    return text;
}

void rw_finding_chain(struct rw_diagnosis *diagnosis, struct rw_verdict *finding, size_t node,
                      const size_t *chain, size_t length, const char *last_role)
{
    const struct rw_graph *graph = diagnosis->graph;
    size_t last = rw_graph_chain_end(graph, node, chain, length);

    for (size_t i = 0; i < length; i++) {
        const struct rw_edge *edge = &graph->edges[chain[i]];
        const struct rw_node *from = &graph->nodes[edge->from];

        rw_verdict_culprit(diagnosis->incident, finding, from->process->pid, from->thread, "waits", "%s%s%s",
                           rw_edge_words(diagnosis, edge, false),
                           rw_for_how_long(diagnosis->incident, diagnosis->incident,
                                           rw_waits_since(diagnosis->incident, from->thread)),
                           rw_at_place(diagnosis, from->thread));
        rw_edge_evidence(diagnosis, finding, edge);
    }
    if (last != RW_NO_NODE)
        rw_verdict_culprit(diagnosis->incident, finding, graph->nodes[last].process->pid,
                           graph->nodes[last].thread, last_role, "%s",
                           clause(diagnosis, graph->nodes[last].process, graph->nodes[last].thread));
}
