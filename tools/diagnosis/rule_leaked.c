/* SPDX-License-Identifier: MIT */
/* The program has done its work, and only threads that somebody forgot keep it alive. */
#include <string.h>
#include <talloc.h>

#include "tools/diagnosis/rules.h"
#include "tools/incident/model.h"
#include "tools/incident/wait_kinds.h"
#include "tools/incident/words.h"

/* threading._shutdown, and what executors do at exit: Python waits there for threads before it ends. */
static bool waits_at_exit(const struct rw_thread *thread)
{
    static const char *const functions[] = {"_shutdown", "_python_exit", "wait_for_thread_shutdown"};

    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        for (size_t j = 0; j < thread->python_count; j++)
            if (thread->python[j].function && strcmp(thread->python[j].function, functions[i]) == 0 &&
                rw_is_library_file(thread->python[j].file))
                return true;
        for (size_t j = 0; j < thread->native_count; j++)
            if (thread->native[j].function && strcmp(thread->native[j].function, functions[i]) == 0)
                return true;
    }
    return false;
}

static const char *when(const struct rw_process_info *process)
{
    if (process->last_test && !rw_running_test(process))
        return "The tests have ended";
    if (process->main_returned_ns)
        return "main has returned";
    if (process->finalize_begin_ns)
        return "Python's finalisation has begun";
    return "The program is exiting";
}

static uint64_t since(const struct rw_process_info *process)
{
    const uint64_t times[] = {process->main_returned_ns, process->exit_begin_ns, process->finalize_begin_ns,
                              rw_running_test(process) ? 0 : process->last_test_end_ns};
    uint64_t first = 0;

    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (times[i] && (!first || times[i] < first))
            first = times[i];
    return first;
}

static char *origin(struct rw_diagnosis *diagnosis, const struct rw_process_info *process,
                    const struct rw_thread *thread)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_thread *creator = rw_process_find_thread(process, thread->creator_tid);
    char *text = NULL;

    rw_append(incident, &text, "%s", "");
    if (creator)
        rw_append(incident, &text, ", created by %s", rw_thread_short_label(incident, process, creator));
    else if (thread->creator_name)
        rw_append(incident, &text, ", created by '%s'", thread->creator_name);
    else if (thread->creator_tid > 0)
        rw_append(incident, &text, ", created by thread %d", thread->creator_tid);
    if (process->finalize_begin_ns && thread->created_ns > process->finalize_begin_ns)
        rw_append(incident, &text, "%s %s after the finalisation had begun", text[0] ? "" : ", created",
                  rw_duration(incident, (double)(thread->created_ns - process->finalize_begin_ns) / 1e9));
    if (thread->created_in_test && thread->created_in_test[0])
        rw_append(incident, &text, "%s in test %s", text[0] ? "" : ", created", thread->created_in_test);
    return text;
}

static void add_leaked(struct rw_diagnosis *diagnosis, struct rw_verdict *finding,
                       const struct rw_process_info *process, const struct rw_thread *thread)
{
    rw_verdict_culprit(diagnosis->incident, finding, process->pid, thread, "leaked", "%s%s%s%s",
                       rw_doing_words(diagnosis->incident, process, thread),
                       rw_for_how_long(diagnosis->incident, diagnosis->incident,
                                       rw_waits_since(diagnosis->incident, thread)),
                       rw_at_place(diagnosis, thread), origin(diagnosis, process, thread));
}

static bool is_leaked(const struct rw_process_info *process, const struct rw_thread *thread,
                      const struct rw_thread *waiter)
{
    return thread != waiter && thread->tid > 0 && thread->is_daemon == 0 && !thread->is_main &&
           !rw_thread_is_gone(process, thread);
}

static void report(struct rw_diagnosis *diagnosis, const struct rw_node *node, const struct rw_thread *joined,
                   enum rw_certainty certainty, const struct rw_edge *edge)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_process_info *process = node->process;
    struct rw_verdict *finding = rw_finding(diagnosis, "leaked-thread", certainty);
    char *sentence = NULL;
    size_t more = 0, length;
    size_t *chain;

    for (size_t i = 0; i < process->thread_count; i++)
        more += &process->threads[i] != joined && is_leaked(process, &process->threads[i], node->thread);
    rw_append(incident, &sentence, "%s%s, but the process cannot end: %s waits for %s%s%s, which %s%s",
              when(process),
              since(process) ? rw_words(incident, " (%s ago)",
                                        rw_duration(incident, rw_seconds_since(incident, since(process))))
                             : "",
              rw_thread_short_label(incident, process, node->thread),
              joined->is_daemon == 0 ? "non-daemon thread " : "", rw_thread_label(incident, joined),
              origin(diagnosis, process, joined), rw_doing_words(incident, process, joined),
              rw_at_place(diagnosis, joined));
    length = edge ? rw_ring_back(diagnosis, edge, &chain) : 0;
    if (length) {
        rw_ring_tell(diagnosis, &sentence, chain, length);
        finding->certainty = rw_ring_certainty(diagnosis, edge, chain, length);
    }
    if (more)
        rw_append(incident, &sentence, "; %zu more non-daemon thread%s still there", more,
                  more == 1 ? " is" : "s are");
    rw_append(incident, &sentence, ".");
    finding->sentence = sentence;
    finding->test = joined->created_in_test && joined->created_in_test[0] ? joined->created_in_test : NULL;
    add_leaked(diagnosis, finding, process, joined);
    for (size_t i = 0; i < process->thread_count; i++)
        if (&process->threads[i] != joined && is_leaked(process, &process->threads[i], node->thread))
            add_leaked(diagnosis, finding, process, &process->threads[i]);
    rw_verdict_culprit(incident, finding, process->pid, node->thread, "waits", "%s%s",
                       rw_doing_words(incident, process, node->thread), rw_at_place(diagnosis, node->thread));
    if (edge)
        rw_edge_evidence(diagnosis, finding, edge);
    if (length)
        rw_ring_members(diagnosis, finding, chain, length);
    if (!edge)
        rw_verdict_evidence(incident, finding,
                            "%s waits in Python's shutdown, and %s is not a daemon thread: inferred",
                            rw_thread_label(incident, node->thread), rw_thread_label(incident, joined));
    rw_finding_place(diagnosis, finding, process, joined);
}

static void look_at_process(struct rw_diagnosis *diagnosis, const struct rw_process_info *process)
{
    const struct rw_thread *subject = rw_subject(process);
    size_t index = subject ? rw_graph_node(diagnosis->graph, process->pid, subject->tid) : RW_NO_NODE;
    const struct rw_node *node;

    if (index == RW_NO_NODE || !subject->waits_on)
        return;
    if (!rw_is_ending(process) && !(waits_at_exit(subject) && !rw_running_test(process)))
        return;
    node = &diagnosis->graph->nodes[index];
    for (size_t i = 0; i < node->edge_count; i++) {
        const struct rw_edge *edge = &diagnosis->graph->edges[node->first_edge + i];

        if ((edge->kind == RW_EDGE_JOINS || (edge->kind == RW_EDGE_HOLDS && waits_at_exit(subject))) &&
            edge->end == RW_END_THREAD && edge->to != index) {
            report(diagnosis, node, diagnosis->graph->nodes[edge->to].thread, edge->certainty, edge);
            return;
        }
    }
    if (node->edge_count || !waits_at_exit(subject))
        return;
    for (size_t i = 0; i < process->thread_count; i++) {
        if (is_leaked(process, &process->threads[i], subject)) {
            report(diagnosis, node, &process->threads[i], RW_INFERRED, NULL);
            return;
        }
    }
}

void rw_rule_leaked(struct rw_diagnosis *diagnosis)
{
    for (size_t i = 0; i < diagnosis->incident->process_count; i++)
        look_at_process(diagnosis, &diagnosis->incident->processes[i]);
}
