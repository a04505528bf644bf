/* SPDX-License-Identifier: MIT */
/*
 * Waits whose end nobody can bring about any more: the lock's owner or the thread joined has ended, was left
 * behind by a fork, or was parked for ever by finalisation.
 */
#include <string.h>
#include <talloc.h>

#include "tools/diagnosis/rules.h"
#include "tools/incident/model.h"
#include "tools/incident/wait_kinds.h"
#include "tools/incident/words.h"

static const struct rw_transition *exit_of(const struct rw_thread *thread)
{
    for (size_t i = thread->history_count; i > 0; i--)
        if (thread->history[i - 1].event && strcmp(thread->history[i - 1].event, "thread-exit") == 0)
            return &thread->history[i - 1];
    return NULL;
}

/* A thread that is not among those of the process: what the recording saw of its end, if it did. Thread ids
 * come again, but not while the one that took a lock after the last such beginning has not ended. */
static const struct rw_transition *recorded_end(const struct rw_process_info *process, int tid)
{
    const struct rw_transition *found = NULL;

    for (size_t i = 0; i < process->history_count; i++)
        if (process->history[i].tid == tid && process->history[i].event &&
            strcmp(process->history[i].event, "thread-exit") == 0)
            found = &process->history[i];
    return found;
}

/* Its own last word where the recording has it; else what was recorded of it last. */
static uint64_t ended_ns(const struct rw_thread *thread)
{
    const struct rw_transition *exit = exit_of(thread);

    return exit ? exit->time_ns : thread->since_ns;
}

/* It ended by pthread_exit when Python's finalisation was under way: up to 3.13 that is how Python itself
 * ends a thread that asks for the GIL then, and what the thread was to say at its end it has not said. */
static bool is_after_finalisation(const struct rw_process_info *process, const struct rw_transition *exit)
{
    return process->python && process->finalize_begin_ns && exit &&
           exit->time_ns > process->finalize_begin_ns && exit->detail && strstr(exit->detail, "pthread_exit");
}

static const char *how_it_ended(const struct rw_diagnosis *diagnosis, const struct rw_edge *edge,
                                const struct rw_transition *exit)
{
    bool held = edge->kind == RW_EDGE_HOLDS;

    if (!is_after_finalisation(diagnosis->graph->nodes[edge->from].process, exit))
        return held ? " while it held it" : "";
    return held ? " while it held it: once Python's finalisation has begun, a thread that asks for the GIL "
                  "is ended"
                : ": once Python's finalisation has begun, a thread that asks for the GIL is ended";
}

/* "ended 2.0 s ago while it held it" */
static char *gone_words(struct rw_diagnosis *diagnosis, const struct rw_edge *edge)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_thread *owner = diagnosis->graph->nodes[edge->to].thread;
    double seconds = rw_seconds_since(incident, ended_ns(owner));
    const char *how = how_it_ended(diagnosis, edge, exit_of(owner));

    if (seconds < 0)
        return rw_words(incident, "has ended%s", how);
    return rw_words(incident, "ended %s ago%s", rw_duration(incident, seconds), how);
}

/* The owner itself may still be there, in the process that forked: it shows what it took the lock for. */
static char *in_parent(struct rw_diagnosis *diagnosis, const struct rw_edge *edge)
{
    void *ctx = diagnosis->incident;
    const struct rw_process_info *process = diagnosis->graph->nodes[edge->from].process;
    const struct rw_process_info *parent = rw_incident_find_process(diagnosis->incident, process->ppid);
    const struct rw_thread *owner = parent ? rw_process_find_thread(parent, edge->owner_tid) : NULL;

    if (!owner || rw_thread_is_gone(parent, owner))
        return rw_words(ctx, "%s", "");
    return rw_words(ctx, "; in process %d, which forked, it is %s and %s%s", parent->pid,
                    rw_thread_short_label(ctx, parent, owner), rw_doing_words(ctx, parent, owner),
                    rw_at_place(diagnosis, owner));
}

/* A forked process began with one thread. */
static bool has_made_threads(const struct rw_process_info *process)
{
    for (size_t i = 0; i < process->thread_count; i++)
        if (!process->threads[i].is_main && process->threads[i].tid)
            return true;
    return false;
}

/* Of a thread whose end was not recorded, in a process that began with a fork. */
static char *not_copied_words(struct rw_diagnosis *diagnosis, const struct rw_edge *edge)
{
    const struct rw_process_info *process = diagnosis->graph->nodes[edge->from].process;
    const struct rw_process_info *parent = rw_incident_find_process(diagnosis->incident, process->ppid);

    if (has_made_threads(process) && !(parent && (rw_process_find_thread(parent, edge->owner_tid) ||
                                                  recorded_end(parent, edge->owner_tid))))
        return rw_words(diagnosis->incident,
                        "does not exist in process %d any more: it has ended, or is one that the fork with "
                        "which this process began did not copy",
                        process->pid);
    return rw_words(diagnosis->incident,
                    "does not exist in process %d: a fork copies only the thread that calls it%s",
                    process->pid, in_parent(diagnosis, edge));
}

static char *missing_words(struct rw_diagnosis *diagnosis, const struct rw_edge *edge)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_process_info *process = diagnosis->graph->nodes[edge->from].process;
    const struct rw_transition *end = recorded_end(process, edge->owner_tid);
    /* A lock that processes share: its owner may have been a child. */
    const char *child = rw_failed_child_words(
        diagnosis, process, rw_waits_since(incident, diagnosis->graph->nodes[edge->from].thread));

    if (!end && rw_was_forked(process))
        return not_copied_words(diagnosis, edge);
    if (!end)
        return rw_words(incident, "does not exist in process %d%s%s", process->pid, child ? "; " : "",
                        child ? child : "");
    return rw_words(incident, "ended %s ago%s",
                    rw_duration(incident, rw_seconds_since(incident, end->time_ns)),
                    how_it_ended(diagnosis, edge, end));
}

/* Why the one waited for will not do it. */
static char *reason(struct rw_diagnosis *diagnosis, const struct rw_edge *edge)
{
    void *ctx = diagnosis->incident;
    const struct rw_process_info *process = diagnosis->graph->nodes[edge->from].process;

    switch (edge->end) {
    case RW_END_GONE:
        return gone_words(diagnosis, edge);
    case RW_END_PARKED:
        return rw_words(ctx, "is parked for ever, because %s",
                        process->finalize_begin_ns ? "Python's finalisation began"
                                                   : "the interpreter that it wants to enter was destroyed");
    case RW_END_MISSING:
        return missing_words(diagnosis, edge);
    case RW_END_THREAD:
        break;
    }
    return rw_words(ctx, "cannot run");
}

static char *owner_label(struct rw_diagnosis *diagnosis, const struct rw_edge *edge)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_transition *end;

    if (edge->to != RW_NO_NODE)
        return rw_thread_label(incident, diagnosis->graph->nodes[edge->to].thread);
    end = recorded_end(diagnosis->graph->nodes[edge->from].process, edge->owner_tid);
    return end ? rw_gone_thread_label(incident, end) : rw_words(incident, "thread %d", edge->owner_tid);
}

static void report(struct rw_diagnosis *diagnosis, const struct rw_edge *edge)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_node *from = &diagnosis->graph->nodes[edge->from];
    const struct rw_thread *owner = edge->to == RW_NO_NODE ? NULL : diagnosis->graph->nodes[edge->to].thread;
    bool is_lock = edge->kind == RW_EDGE_HOLDS && edge->end != RW_END_PARKED;
    enum rw_certainty certainty = edge->certainty;
    char *owner_name = owner_label(diagnosis, edge);
    char *why = reason(diagnosis, edge);
    struct rw_verdict *finding;

    /* Without the process at hand a list of threads is what was recorded, not what there was. */
    if (edge->end == RW_END_MISSING && !from->process->is_alive)
        certainty = certainty > RW_INFERRED ? RW_INFERRED : certainty;
    finding = rw_finding(diagnosis, is_lock ? "orphaned-lock" : "waits-for-stopped-thread", certainty);
    if (edge->kind == RW_EDGE_HOLDS)
        finding->sentence =
            rw_words(incident, "%s %s%s; its owner, %s, %s.", rw_thread_label(incident, from->thread),
                     rw_wait_words(incident, from->process, edge->wait),
                     rw_for_how_long(incident, incident, edge->wait->since_ns), owner_name, why);
    else
        finding->sentence = rw_words(
            incident, "%s waits for %s %s%s, which %s.", rw_thread_label(incident, from->thread),
            edge->kind == RW_EDGE_GIL      ? "the GIL of"
            : edge->kind == RW_EDGE_STARTS ? "the beginning of"
                                           : "the end of",
            owner_name, rw_for_how_long(incident, incident, edge->wait ? edge->wait->since_ns : 0), why);
    rw_verdict_culprit(incident, finding, from->process->pid, from->thread, "waits", "%s%s",
                       rw_edge_words(diagnosis, edge, false), rw_at_place(diagnosis, from->thread));
    if (owner)
        rw_verdict_culprit(incident, finding, from->process->pid, owner, "owner", "%s%s%s", why,
                           edge->taken_at ? "; took it at " : "", edge->taken_at ? edge->taken_at : "");
    rw_edge_evidence(diagnosis, finding, edge);
    rw_finding_place(diagnosis, finding, from->process, from->thread);
}

/* A thread state that no OS thread backs: whoever ends its interpreter joins what is not there. */
static void report_unbacked(struct rw_diagnosis *diagnosis, const struct rw_node *node,
                            const struct rw_interpreter_info *interpreter)
{
    struct rw_incident *incident = diagnosis->incident;
    struct rw_verdict *finding = rw_finding(diagnosis, "waits-for-stopped-thread", RW_INFERRED);

    finding->sentence = rw_words(
        incident,
        "%s %s%s; interpreter %lld has a thread state that no thread of the process backs "
        "any more, so nobody can end it.",
        rw_thread_label(incident, node->thread), rw_doing_words(incident, node->process, node->thread),
        rw_for_how_long(incident, incident, node->thread->waits_on->since_ns), (long long)interpreter->id);
    rw_verdict_culprit(incident, finding, node->process->pid, node->thread, "waits", "%s%s",
                       rw_doing_words(incident, node->process, node->thread),
                       rw_at_place(diagnosis, node->thread));
    rw_verdict_evidence(incident, finding, "interpreter %lld lists a thread state without a thread",
                        (long long)interpreter->id);
    rw_finding_place(diagnosis, finding, node->process, node->thread);
}

static void look_for_unbacked(struct rw_diagnosis *diagnosis, const struct rw_node *node)
{
    enum rw_wait_end ends = rw_wait_kind_of(node->thread->waits_on)->ends;

    /* Only where it joins something and nobody else can be meant. */
    if (ends != RW_ENDS_BY_EXIT || node->edge_count || node->thread->waits_on->owner.tid > 0)
        return;
    for (size_t i = 0; i < node->process->interpreter_count; i++) {
        const struct rw_interpreter_info *interpreter = &node->process->interpreters[i];

        for (size_t j = 0; j < interpreter->thread_state_count; j++) {
            if (interpreter->thread_state_tids[j] != 0)
                continue;
            report_unbacked(diagnosis, node, interpreter);
            return;
        }
    }
}

/* A lock without a word on who has it, in a process of one thread that began with a fork: somebody had it who
 * was not copied. So it is with the C library's own locks. */
static void look_for_left_behind(struct rw_diagnosis *diagnosis, const struct rw_node *node)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_thread *thread = node->thread;
    const struct rw_wait_on *wait = thread->waits_on;
    const struct rw_wait_kind *kind = rw_wait_kind_of(wait);
    struct rw_verdict *finding;

    if (!node->is_stuck || node->edge_count || !rw_was_forked(node->process) || wait->channel_count ||
        rw_alive_threads(node->process) != 1 || wait->owner.tid >= 0 || kind->owner_is_guess ||
        !(kind->ends == RW_ENDS_BY_RELEASE || (wait->kind && strcmp(wait->kind, "futex") == 0)))
        return;
    finding = rw_finding(diagnosis, "orphaned-lock", RW_INFERRED);
    finding->sentence =
        rw_words(incident,
                 "%s %s%s%s; process %d was forked while another thread of process %d held that lock: a fork "
                 "copies only the "
                 "thread that calls it.",
                 rw_thread_label(incident, thread), rw_doing_words(incident, node->process, thread),
                 rw_for_how_long(incident, incident, rw_waits_since(incident, thread)),
                 rw_at_place(diagnosis, thread), node->process->pid, node->process->ppid);
    rw_verdict_culprit(incident, finding, node->process->pid, thread, "waits", "%s%s",
                       rw_doing_words(incident, node->process, thread), rw_at_place(diagnosis, thread));
    rw_verdict_evidence(
        incident, finding,
        "process %d has one thread, and that one waits: whoever has the lock is not in this process",
        node->process->pid);
    rw_finding_place(diagnosis, finding, node->process, thread);
}

/* A hundred threads that want one lock are one finding: the first one's, which is main's if it is among them.
 */
static bool is_reported(const struct rw_graph *graph, const struct rw_edge **reported, size_t count,
                        const struct rw_edge *edge)
{
    for (size_t i = 0; i < count; i++)
        if (reported[i]->owner_tid == edge->owner_tid && reported[i]->kind == edge->kind &&
            graph->nodes[reported[i]->from].process == graph->nodes[edge->from].process &&
            (reported[i]->wait ? reported[i]->wait->object : 0) == (edge->wait ? edge->wait->object : 0))
            return true;
    return false;
}

void rw_rule_stopped(struct rw_diagnosis *diagnosis)
{
    const struct rw_graph *graph = diagnosis->graph;
    const struct rw_edge **reported =
        talloc_array(diagnosis->graph, const struct rw_edge *, (unsigned)graph->edge_count + 1);
    size_t count = 0;

    for (size_t i = 0; reported && i < graph->edge_count; i++) {
        const struct rw_edge *edge = &graph->edges[i];

        if (is_reported(graph, reported, count, edge))
            continue;

        /* A join of a thread that has ended is about to return, unless it has not moved since the look
         * before. */
        if (edge->end == RW_END_GONE && edge->kind != RW_EDGE_HOLDS &&
            graph->nodes[edge->from].thread->moved != 0)
            continue;
        if (edge->end == RW_END_GONE || edge->end == RW_END_PARKED ||
            (edge->end == RW_END_MISSING && edge->kind != RW_EDGE_DESTROYS && !edge->ends_by_itself)) {
            reported[count++] = edge;
            report(diagnosis, edge);
        }
    }
    for (size_t i = 0; i < graph->node_count; i++) {
        look_for_unbacked(diagnosis, &graph->nodes[i]);
        look_for_left_behind(diagnosis, &graph->nodes[i]);
    }
}
