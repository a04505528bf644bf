/* SPDX-License-Identifier: MIT */
/* No rule stands for what is there: who waits for whom, as far as it can be followed, and where that ends. */
#include <string.h>

#include <talloc.h>

#include "tools/diagnosis/rules.h"
#include "tools/diagnosis/stuck.h"
#include "tools/incident/model.h"
#include "tools/incident/other_ends.h"
#include "tools/incident/wait_kinds.h"
#include "tools/incident/words.h"

#define ABLE_MAX 2 /* more of them say nothing */

static bool is_there(const struct rw_process_info *process)
{
    return process && process->is_alive && process->thread_count;
}

/* The one process, among those that were looked at, whose move it is: it has the other end of what this one
 * waits on, or is the only child that this one can wait for. NULL if there is none, or more than one. */
static const struct rw_process_info *next(const struct rw_incident *incident,
                                          const struct rw_process_info *process)
{
    const struct rw_thread *subject = rw_subject(process);
    const struct rw_wait_on *wait = subject ? subject->waits_on : NULL;
    const struct rw_process_info *found = NULL;

    for (size_t i = 0; wait && i < wait->channel_count; i++)
        for (size_t j = 0; j < wait->channels[i].holder_count; j++) {
            const struct rw_process_info *other =
                rw_incident_find_process(incident, wait->channels[i].holders[j].pid);

            if (!is_there(other) || other == process || other == found)
                continue;
            if (found)
                return NULL;
            found = other;
        }
    if (found || !wait || wait->channel_count || !wait->kind ||
        (strcmp(wait->kind, "process") != 0 && strcmp(wait->kind, "signal") != 0))
        return found;
    for (size_t i = 0; i < incident->process_count; i++) {
        const struct rw_process_info *other = &incident->processes[i];

        if (!is_there(other) || other->ppid != process->pid)
            continue;
        if (found)
            return NULL;
        found = other;
    }
    return found;
}

/* The process that runs a test, else the first one that is there, or the one that it waits for. */
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
    /* Whoever waits for another process is not where the answer is; processes may wait for each other. */
    for (size_t i = 0; best && i < incident->process_count; i++) {
        const struct rw_process_info *other = next(incident, best);

        if (!other)
            break;
        best = other;
    }
    return best;
}

/* All that was found is that others wait for nothing in particular: its parents, say. */
static bool is_left_out(const struct rw_diagnosis *diagnosis, const struct rw_process_info *process)
{
    for (size_t i = 0; i < diagnosis->finding_count; i++) {
        const struct rw_verdict *finding = &diagnosis->findings[i];

        if (strcmp(finding->class_name, "idle") != 0 && strcmp(finding->class_name, "slow") != 0)
            return false;
        for (size_t j = 0; j < finding->culprit_count; j++)
            if (finding->culprits[j].pid == process->pid)
                return false;
    }
    return true;
}

/* The chain ends at a wait for another process: what that one does is as far as can be seen from here. */
static void blame_process(struct rw_diagnosis *diagnosis, struct rw_verdict *finding,
                          const struct rw_node *last, int pid, char **sentence)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_process_info *other = rw_incident_find_process(incident, pid);
    const struct rw_thread *subject = other && other->is_alive ? rw_subject(other) : NULL;
    const char *end;

    finding->class_name = "other-process";
    finding->certainty = RW_INFERRED;
    end = rw_other_ends_words(incident, last->process, last->thread->waits_on);
    rw_append(incident, sentence, "%s%s", end ? "; " : "", end ? end : "");
    if (!subject) {
        rw_append(incident, sentence, "%s",
                  end ? ", which was not looked at: it does not run under racewatch."
                      : "; that process was not looked at: it does not run under racewatch.");
        return;
    }
    rw_append(incident, sentence, "%s %s %s%s%s.", end ? ", where" : "; in that process",
              rw_thread_label(incident, subject), rw_doing_words(incident, other, subject),
              rw_for_how_long(incident, incident, rw_waits_since(incident, subject)),
              rw_at_place(diagnosis, subject));
    rw_verdict_culprit(incident, finding, other->pid, subject, "blocker", "%s%s",
                       rw_doing_words(incident, other, subject), rw_at_place(diagnosis, subject));
}

/* Its other ends are the process's own, as far as all processes could be seen. */
static bool is_within(const struct rw_node *node)
{
    const struct rw_wait_on *wait = node->thread->waits_on;

    for (size_t i = 0; i < wait->channel_count; i++)
        if (!rw_is_channel_closed(&wait->channels[i]) || wait->channels[i].note ||
            !rw_is_held_by(&wait->channels[i], node->process->pid) ||
            rw_is_held_by_others(&wait->channels[i], node->process->pid))
            return false;
    return wait->channel_count > 0 && rw_wait_kind_of(wait)->ends == RW_ENDS_BY_INPUT;
}

/* Any thread of the process may end it, or one that is not known. */
static bool is_for_anybody(const struct rw_node *node)
{
    const struct rw_wait_on *wait = node->thread->waits_on;
    enum rw_wait_end ends = rw_wait_kind_of(wait)->ends;

    if (wait && is_within(node))
        return true;
    if (!wait || wait->channel_count) /* it runs; or others, too: the semaphore is shared */
        return false;
    return ends == RW_ENDS_BY_SIGNAL || (ends == RW_ENDS_BY_RELEASE && wait->owner.tid < 0 && wait->fd < 0);
}

/* Whoever waits for the last one is no help to it. */
static bool waits_for(struct rw_diagnosis *diagnosis, size_t node, const struct rw_node *last)
{
    const struct rw_graph *graph = diagnosis->graph;
    size_t *chain, length, end;

    if (!graph->nodes[node].edge_count)
        return false;
    length = rw_graph_chain(diagnosis->graph, graph, node, &chain);
    end = rw_graph_chain_end(graph, node, chain, length);
    talloc_free(chain);
    return end != RW_NO_NODE && &graph->nodes[end] == last;
}

/* "; 'reader' (tid 12), which waits in read on fd 0, could still end it": the few threads that are not stuck,
 * where any thread of the process may give what the last one waits for. */
static bool tell_who_could(struct rw_diagnosis *diagnosis, const struct rw_node *last, char **sentence)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_node *able[ABLE_MAX];
    size_t count = 0;

    if (!is_for_anybody(last))
        return false;
    for (size_t i = 0; i < diagnosis->graph->node_count; i++) {
        const struct rw_node *node = &diagnosis->graph->nodes[i];

        if (node->process != last->process || node == last || node->is_stuck ||
            rw_thread_is_gone(node->process, node->thread) || waits_for(diagnosis, i, last))
            continue;
        if (count == ABLE_MAX)
            return false;
        able[count++] = node;
    }
    for (size_t i = 0; i < count; i++)
        rw_append(incident, sentence, "%s%s, which %s%s%s", i == 0 ? "; only " : " and ",
                  rw_thread_label(incident, able[i]->thread),
                  rw_doing_words(incident, able[i]->process, able[i]->thread),
                  rw_at_place(diagnosis, able[i]->thread),
                  i + 1 == count ? ", could still end this wait." : ",");
    return count > 0;
}

/* Who could end a wait for one thing, or why that is not known; NULL where neither is. */
static const char *other_ends_words(struct rw_incident *incident, const struct rw_node *last)
{
    const struct rw_wait_on *wait = last->thread->waits_on;
    const struct rw_channel *channel = wait && wait->channel_count == 1 ? &wait->channels[0] : NULL;
    const char *ends = channel ? rw_other_ends_words(incident, last->process, wait) : NULL;

    return ends || !channel ? ends : channel->note;
}

/* What has not come, of a wait for one thing from outside: then that is why. NULL where that is not known. */
static const char *outside_words(const struct rw_node *last)
{
    const struct rw_wait_on *wait = last->thread->waits_on;
    const struct rw_channel *channel = wait && wait->channel_count == 1 ? &wait->channels[0] : NULL;

    if (wait && wait->kind && strcmp(wait->kind, "signal") == 0 && wait->name)
        return "no such signal has come";
    if (!channel)
        return NULL;
    if (strcmp(channel->kind, "other") == 0)
        return channel->note;
    if (strcmp(channel->kind, "listener") == 0)
        return "nobody has connected to it";
    if (strcmp(channel->kind, "terminal") == 0)
        return "nobody has typed anything";
    return NULL;
}

void rw_rule_unknown(struct rw_diagnosis *diagnosis)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_graph *graph = diagnosis->graph;
    const struct rw_process_info *process = choose(incident);
    const struct rw_thread *subject = process ? rw_subject(process) : NULL;
    size_t index = subject ? rw_graph_node(graph, process->pid, subject->tid) : RW_NO_NODE;
    struct rw_verdict *finding;
    const struct rw_node *last;
    size_t *chain, length, end;
    char *sentence = NULL;
    const char *gone = "", *outside, *ends;
    int other;

    if (diagnosis->finding_count && !(process && is_left_out(diagnosis, process)))
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
    /* It hangs in the test of who waits, whatever test made the one that is waited for. */
    if (length && !rw_waits_since_an_earlier_test(process, subject))
        finding->test = rw_running_test(process);
    if (end != RW_NO_NODE)
        rw_finding_place(diagnosis, finding, graph->nodes[end].process, graph->nodes[end].thread);
    other = end == RW_NO_NODE ? 0 : rw_process_to_move(diagnosis->graph, &graph->nodes[end]);
    if (other) {
        rw_finding_chain(diagnosis, finding, index, chain, length, "waits");
        blame_process(diagnosis, finding, &graph->nodes[end], other, &sentence);
        finding->sentence = sentence;
        return;
    }
    last = end == RW_NO_NODE ? NULL : &graph->nodes[end];
    outside = last ? outside_words(last) : NULL;
    ends = last && !outside ? other_ends_words(incident, last) : NULL;
    if (last) {
        rw_tell_blocked_loop(diagnosis, last->process, last->thread, &sentence);
        rw_tell_waiting_tasks(diagnosis, last->process, last->thread, &sentence);
    }
    if (ends || outside)
        rw_append(incident, &sentence, "; %s", ends ? ends : outside);
    if (!last || !process->is_alive || !tell_who_could(diagnosis, last, &sentence))
        rw_append(incident, &sentence, "%s",
                  process->is_alive && !outside ? "; why this does not end is not known." : ".");
    finding->sentence = sentence;
    rw_finding_chain(diagnosis, finding, index, chain, length, length ? "blocker" : "waits");
    rw_finding_place(diagnosis, finding, process, subject);
}
