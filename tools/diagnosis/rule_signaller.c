/* SPDX-License-Identifier: MIT */
/*
 * A wait for a signal (an event, a condition, a queue, a semaphore, a barrier) where every thread that could
 * give it waits as well, in ways that none of them can end: those of the process, and those of all that share
 * the memory. The same holds for a Python lock of which nobody knows who took it, and for an event loop all
 * of whose tasks wait: another thread may wake it, and give it something to do. A server whose main thread
 * waits for an event that a signal handler sets is idle, not stuck: so only while a test runs, the process
 * ends, or there is no such handler.
 */
#include <string.h>
#include <talloc.h>

#include "tools/diagnosis/rules.h"
#include "tools/diagnosis/stuck.h"
#include "tools/incident/model.h"
#include "tools/incident/wait_kinds.h"
#include "tools/incident/words.h"

/* Nobody in particular has to end it: any thread that has the memory could. Or one of them has to, and it is
 * not known which: who reads under a rwlock, who runs an initialisation, who took a Python lock. None of them
 * can, for all of them are stuck. */
static bool is_for_anybody(const struct rw_wait_on *wait)
{
    const struct rw_wait_kind *kind = rw_wait_kind_of(wait);

    return wait && (kind->ends == RW_ENDS_BY_SIGNAL || kind->owner_is_guess ||
                    kind->ends == RW_ENDS_UNKNOWN || kind->ends == RW_ENDS_BY_RELEASE);
}

/* A fork leaves all threads but one behind, also the one that would have given the signal. */
static void tell_of_fork(struct rw_diagnosis *diagnosis, struct rw_verdict *finding,
                         const struct rw_process_info *process)
{
    const struct rw_process_info *parent = rw_incident_find_process(diagnosis->incident, process->ppid);

    for (size_t i = 0; rw_was_forked(process) && parent && i < parent->thread_count; i++) {
        const struct rw_thread *thread = &parent->threads[i];

        if (thread->tid > 0 && !thread->is_main && !rw_thread_is_gone(parent, thread))
            rw_verdict_evidence(
                diagnosis->incident, finding,
                "process %d was forked from process %d, whose thread %s was not copied; there it %s%s",
                process->pid, parent->pid, rw_thread_label(diagnosis->incident, thread),
                rw_doing_words(diagnosis->incident, parent, thread), rw_at_place(diagnosis, thread));
    }
}

static bool in_chain(const struct rw_graph *graph, const size_t *chain, size_t length,
                     const struct rw_thread *thread)
{
    for (size_t i = 0; i < length; i++)
        if (graph->nodes[graph->edges[chain[i]].from].thread == thread)
            return true;
    return false;
}

static bool is_in_memory(const struct rw_wait_on *wait)
{
    return wait->channel_count > 0 && strcmp(wait->channels[0].kind, "memory") == 0;
}

/* Besides by the process itself, by one that is there or that could not be seen. */
static bool is_shared(const struct rw_wait_on *wait, int pid)
{
    for (size_t i = 0; i < wait->channel_count; i++)
        if (!rw_is_channel_closed(&wait->channels[i]) || rw_is_held_by_others(&wait->channels[i], pid))
            return true;
    return false;
}

static void append_who_is_left(struct rw_diagnosis *diagnosis, char **sentence,
                               const struct rw_process_info *process, const struct rw_thread **others,
                               size_t count, const struct rw_wait_on *wait)
{
    struct rw_incident *incident = diagnosis->incident;
    bool is_in_shared_memory = is_in_memory(wait);

    if (is_in_shared_memory && is_shared(wait, process->pid)) {
        rw_append(incident, sentence, "; all who share its memory wait as well");
    } else if (count == 0) {
        const char *ended = rw_last_ended_words(diagnosis, process);

        rw_append(incident, sentence,
                  "; no other thread is left in the process that could end this wait%s%s%s",
                  is_in_shared_memory ? ", and no other process has the memory that it is in" : "",
                  ended ? ": " : "", ended ? ended : "");
        return;
    } else {
        rw_tell_others(diagnosis, sentence, process, others, count);
    }
    rw_append(incident, sentence, ", so nobody is left who could end this wait");
}

static void report(struct rw_diagnosis *diagnosis, const struct rw_process_info *process, size_t index,
                   const size_t *chain, size_t length, const struct rw_thread *last)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_thread **others =
        talloc_array(diagnosis->graph, const struct rw_thread *, (unsigned)process->thread_count + 1);
    struct rw_verdict *finding = rw_finding(diagnosis, "no-signaller", RW_INFERRED);
    char *sentence = rw_chain_words(diagnosis, index, chain, length);
    const char *child = rw_failed_child_words(diagnosis, process, rw_waits_since(incident, last));
    size_t count = 0;

    for (size_t i = 0; others && i < process->thread_count; i++) {
        const struct rw_thread *thread = &process->threads[i];

        if (thread != last && thread->tid > 0 && !rw_thread_is_gone(process, thread) &&
            !in_chain(diagnosis->graph, chain, length, thread))
            others[count++] = thread;
    }
    rw_tell_blocked_loop(diagnosis, process, last, &sentence);
    rw_tell_waiting_tasks(diagnosis, process, last, &sentence);
    append_who_is_left(diagnosis, &sentence, process, others, count, last->waits_on);
    rw_append(incident, &sentence, "%s%s.", child ? "; " : "", child ? child : "");
    finding->sentence = sentence;
    rw_finding_chain(diagnosis, finding, index, chain, length, "waits");
    /* One of many that wait, each for something of its own, is nobody to blame. */
    for (size_t i = 0; i < count && count <= RW_NAMED_OTHERS; i++)
        rw_verdict_culprit(incident, finding, process->pid, others[i], "waits", "%s%s",
                           rw_doing_words(incident, process, others[i]), rw_at_place(diagnosis, others[i]));
    rw_verdict_evidence(incident, finding,
                        "%zu thread%s left in the process; none runs, sleeps, has a time limit or waits for "
                        "anything from outside: inferred",
                        count + length + 1, count + length == 0 ? " is" : "s are");
    rw_verdict_evidence(incident, finding, "%s",
                        process->has_handlers == 0
                            ? "no signal could come to a handler that ends the wait"
                            : "a handler of a signal could still end the wait, should one come");
    tell_of_fork(diagnosis, finding, process);
    /* It hangs in the test of who waits, whatever test made the one that is waited for. */
    if (length && !rw_waits_since_an_earlier_test(process, diagnosis->graph->nodes[index].thread))
        finding->test = rw_running_test(process);
    rw_finding_place(diagnosis, finding, process, last);
    if (length)
        rw_finding_other_side(diagnosis, finding, diagnosis->graph->nodes[index].thread);
    else if (count == 1)
        rw_finding_other_side(diagnosis, finding, others[0]);
}

static void look_at_process(struct rw_diagnosis *diagnosis, const struct rw_process_info *process)
{
    const struct rw_graph *graph = diagnosis->graph;
    const struct rw_thread *subject = rw_subject(process);
    size_t index = subject ? rw_graph_node(graph, process->pid, subject->tid) : RW_NO_NODE;
    size_t end, length;
    size_t *chain;

    if (index == RW_NO_NODE || !rw_is_process_stuck(graph, process))
        return;
    length = rw_sure_chain(diagnosis, index, &chain);
    end = rw_graph_chain_end(graph, index, chain, length);
    /* A chain that comes back or leads to one that is gone is another rule's. */
    if (end == RW_NO_NODE || in_chain(graph, chain, length, graph->nodes[end].thread) ||
        (length && graph->edges[chain[length - 1]].end != RW_END_THREAD) ||
        graph->nodes[end].process != process ||
        !(is_for_anybody(graph->nodes[end].thread->waits_on) ||
          rw_is_loop_asleep(process, graph->nodes[end].thread)))
        return;
    report(diagnosis, process, index, chain, length, graph->nodes[end].thread);
}

void rw_rule_signaller(struct rw_diagnosis *diagnosis)
{
    for (size_t i = 0; i < diagnosis->incident->process_count; i++)
        if (diagnosis->incident->processes[i].is_alive)
            look_at_process(diagnosis, &diagnosis->incident->processes[i]);
}
