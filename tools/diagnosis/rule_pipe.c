/* SPDX-License-Identifier: MIT */
/*
 * A pipe, a socket or the like whose other end nobody will use: the process itself has it, or nobody at all.
 * Where somebody else has it and waits in turn, that is a ring.
 */
#include <string.h>
#include <talloc.h>

#include "tools/diagnosis/rules.h"
#include "tools/diagnosis/stuck.h"
#include "tools/incident/model.h"
#include "tools/incident/other_ends.h"
#include "tools/incident/wait_kinds.h"
#include "tools/incident/words.h"

static bool wants_room(const struct rw_channel *channel)
{
    return channel->wants && strcmp(channel->wants, "room") == 0;
}

/* Every other end is the process' own, or nobody's. What wakes an event loop is for any thread to use: there
 * is a rule for such. */
static bool is_left_alone(const struct rw_node *node)
{
    const struct rw_wait_on *wait = node->thread->waits_on;

    if (!node->is_stuck || node->edge_count || wait->channel_count == 0 ||
        rw_wait_kind_of(wait)->ends != RW_ENDS_BY_INPUT || rw_is_loop_asleep(node->process, node->thread))
        return false;
    for (size_t i = 0; i < wait->channel_count; i++)
        if (strcmp(wait->channels[i].kind, "process") == 0 ||
            rw_is_held_by_others(&wait->channels[i], node->process->pid))
            return false;
    return true;
}

static enum rw_certainty how_sure(const struct rw_node *node)
{
    const struct rw_wait_on *wait = node->thread->waits_on;

    if (rw_alive_threads(node->process) > 1 || node->thread->moved != 0)
        return RW_INFERRED;
    for (size_t i = 0; i < wait->channel_count; i++)
        if (wait->channels[i].note && wait->channels[i].holder_count)
            return RW_INFERRED;
    return RW_EXACT;
}

static char *holders(struct rw_diagnosis *diagnosis, const struct rw_node *node,
                     const struct rw_channel *channel)
{
    void *ctx = diagnosis->incident;
    const char *end = wants_room(channel) ? "reads from it" : "writes to it";

    if (rw_is_not_accepted(channel))
        return rw_words(ctx,
                        "the connection has not been accepted yet, and only process %d itself has the "
                        "socket that could",
                        node->process->pid);
    if (!rw_is_held_by(channel, node->process->pid))
        return rw_words(ctx, "nobody %s any more", end);
    return rw_words(ctx, "only process %d itself has the end that %s", node->process->pid, end);
}

static bool has_news_only(const struct rw_wait_on *wait)
{
    for (size_t i = 0; i < wait->channel_count; i++)
        if (wait->channels[i].is_only_news)
            return true;
    return false;
}

/* The process' threads apart from the one that waits; a child of the graph. */
static size_t other_threads(struct rw_diagnosis *diagnosis, const struct rw_node *node,
                            const struct rw_thread ***others)
{
    const struct rw_process_info *process = node->process;
    size_t count = 0;

    *others = talloc_array(diagnosis->graph, const struct rw_thread *, (unsigned)process->thread_count + 1);
    for (size_t i = 0; *others && i < process->thread_count; i++) {
        const struct rw_thread *thread = &process->threads[i];

        if (thread != node->thread && thread->tid > 0 && !rw_thread_is_gone(process, thread))
            (*others)[count++] = thread;
    }
    return count;
}

static void report(struct rw_diagnosis *diagnosis, const struct rw_node *node)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_thread *thread = node->thread;
    const struct rw_wait_on *wait = thread->waits_on;
    const struct rw_channel *first = &wait->channels[0];
    struct rw_verdict *finding = rw_finding(diagnosis, "pipe", how_sure(node));
    const char *state = wait->channel_count > 1 || first->is_only_news || rw_is_not_accepted(first) ? ""
                        : wants_room(first) ? "it is full, and "
                                            : "it is empty, and ";
    const struct rw_thread *subject = rw_subject(node->process);
    uint64_t since_ns = rw_waits_since(incident, thread);
    /* Who should have had the other end may be a child that died. */
    const char *child = rw_failed_child_words(diagnosis, node->process,
                                              since_ns ? since_ns : rw_waits_since(incident, subject));
    const struct rw_thread **others;
    size_t count = other_threads(diagnosis, node, &others);

    char *sentence = rw_words(incident, "%s %s%s%s: %s%s", rw_thread_label(incident, thread),
                              rw_doing_words(incident, node->process, thread),
                              rw_for_how_long(incident, incident, rw_waits_since(incident, thread)),
                              rw_at_place(diagnosis, thread), state, holders(diagnosis, node, first));

    if (has_news_only(wait))
        rw_append(incident, &sentence,
                  "; and what was there before is not told again, for epoll tells only of what comes anew "
                  "(EPOLLET, or EPOLLONESHOT that has fired)");
    if (count)
        rw_tell_others(diagnosis, &sentence, node->process, others, count);
    rw_tell_waiting_tasks(diagnosis, node->process, thread, &sentence);
    rw_append(incident, &sentence, "%s%s.", child ? "; " : "", child ? child : "");
    finding->sentence = sentence;
    rw_verdict_culprit(incident, finding, node->process->pid, thread, "waits", "%s%s",
                       rw_doing_words(incident, node->process, thread), rw_at_place(diagnosis, thread));
    for (size_t i = 0; i < wait->channel_count; i++) {
        const struct rw_channel *channel = &wait->channels[i];
        rw_verdict_evidence(incident, finding,
                            "%s: %s, from the descriptors of all processes that can be seen%s%s%s",
                            channel->name ? channel->name : "a descriptor", holders(diagnosis, node, channel),
                            channel->state ? "; its state is " : "", channel->state ? channel->state : "",
                            channel->note ? rw_words(incident, "; %s", channel->note) : "");
    }
    rw_finding_place(diagnosis, finding, node->process, thread);
    if (subject != thread)
        rw_finding_other_side(diagnosis, finding, subject);
    else if (count == 1)
        rw_finding_other_side(diagnosis, finding, others[0]);
}

static bool uses(const struct rw_process_info *process, int fd)
{
    for (size_t i = 0; i < process->thread_count; i++) {
        const struct rw_wait_on *wait = process->threads[i].waits_on;

        for (size_t j = 0; wait && j < wait->channel_count; j++)
            if (wait->channels[j].fd == fd)
                return true;
    }
    return false;
}

/* The thread waits, without a limit and at both looks, for the end of that process and nothing else. */
static bool waits_for(const struct rw_thread *thread, int pid)
{
    const struct rw_wait_on *wait = thread ? thread->waits_on : NULL;

    return wait && !wait->has_deadline && thread->moved == 0 && wait->channel_count == 1 &&
           strcmp(wait->channels[0].kind, "process") == 0 && rw_is_held_by(&wait->channels[0], pid);
}

/* A parent waits for its child's end, and the child for the parent to use a pipe between them. Where the
 * parent has other threads that could, none of them has begun to: that is no proof, but it is what a person
 * would look at. */
static void report_parent(struct rw_diagnosis *diagnosis, const struct rw_node *node)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_thread *thread = node->thread, *parent;
    const struct rw_wait_on *wait = thread->waits_on;
    const struct rw_channel *channel = wait && wait->channel_count == 1 ? &wait->channels[0] : NULL;
    const struct rw_process_info *other;
    struct rw_verdict *finding;

    if (!channel || node->is_stuck || wait->has_deadline || thread->moved != 0 ||
        !rw_is_channel_closed(channel) || channel->holder_count != 1 ||
        rw_wait_kind_of(wait)->ends != RW_ENDS_BY_INPUT)
        return;
    other = rw_incident_find_process(incident, channel->holders[0].pid);
    parent = other && other != node->process && other->is_alive ? rw_subject(other) : NULL;
    /* A thread that sleeps may send something in time; and outside of a test nobody says that it takes too
     * long. */
    if (!wants_room(channel) || !parent || !rw_running_test(other) ||
        !waits_for(parent, node->process->pid) || uses(other, channel->holders[0].fd))
        return;
    finding = rw_finding(diagnosis, "pipe", RW_INFERRED);
    finding->sentence = rw_words(
        incident,
        "%s of process %d %s%s, which is %s: only process %d %s it, where %s waits for process %d to end.",
        rw_thread_label(incident, thread), node->process->pid,
        rw_doing_words(incident, node->process, thread), rw_at_place(diagnosis, thread),
        wants_room(channel) ? "full" : "empty", other->pid, wants_room(channel) ? "reads from" : "writes to",
        rw_thread_label(incident, parent), node->process->pid);
    rw_verdict_culprit(incident, finding, other->pid, parent, "waits", "%s%s",
                       rw_doing_words(incident, other, parent), rw_at_place(diagnosis, parent));
    rw_verdict_culprit(incident, finding, node->process->pid, thread, "waits", "%s%s",
                       rw_doing_words(incident, node->process, thread), rw_at_place(diagnosis, thread));
    rw_verdict_evidence(
        incident, finding,
        "%s: its other end is fd %d of process %d alone, and no thread there waits on that; threads of it "
        "that can still move could use it",
        channel->name ? channel->name : "the channel", channel->holders[0].fd, other->pid);
    rw_finding_place(diagnosis, finding, other, parent);
}

void rw_rule_pipe(struct rw_diagnosis *diagnosis)
{
    for (size_t i = 0; i < diagnosis->graph->node_count; i++) {
        if (is_left_alone(&diagnosis->graph->nodes[i]))
            report(diagnosis, &diagnosis->graph->nodes[i]);
        else
            report_parent(diagnosis, &diagnosis->graph->nodes[i]);
    }
}
