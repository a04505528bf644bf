/* SPDX-License-Identifier: MIT */
/*
 * A pipe, a socket or the like whose other end nobody will use: the process itself has it, or nobody at all.
 * Where somebody else has it and waits in turn, that is a ring.
 */
#include <string.h>

#include "tools/diagnosis/rules.h"
#include "tools/diagnosis/stuck.h"
#include "tools/incident/model.h"
#include "tools/incident/wait_kinds.h"
#include "tools/incident/words.h"

static bool wants_room(const struct rw_channel *channel)
{
    return channel->wants && strcmp(channel->wants, "room") == 0;
}

/* Every other end is the process' own, or nobody's. */
static bool is_left_alone(const struct rw_node *node)
{
    const struct rw_wait_on *wait = node->thread->waits_on;

    if (!node->is_stuck || node->edge_count || wait->channel_count == 0 ||
        rw_wait_kind_of(wait)->ends != RW_ENDS_BY_INPUT)
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

    if (!rw_is_held_by(channel, node->process->pid))
        return rw_words(ctx, "nobody %s any more", end);
    return rw_words(ctx, "only process %d itself has the end that %s", node->process->pid, end);
}

static void report(struct rw_diagnosis *diagnosis, const struct rw_node *node)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_thread *thread = node->thread;
    const struct rw_wait_on *wait = thread->waits_on;
    const struct rw_channel *first = &wait->channels[0];
    struct rw_verdict *finding = rw_finding(diagnosis, "pipe", how_sure(node));
    const char *state = wait->channel_count > 1 ? ""
                        : wants_room(first)     ? "it is full, and "
                                                : "it is empty, and ";
    const char *others =
        rw_alive_threads(node->process) > 1 ? ", where every other thread waits as well" : "";

    finding->sentence =
        rw_words(incident, "%s %s%s%s: %s%s%s.", rw_thread_label(incident, thread),
                 rw_doing_words(incident, node->process, thread),
                 rw_for_how_long(incident, incident, rw_waits_since(incident, thread)),
                 rw_at_place(diagnosis, thread), state, holders(diagnosis, node, first), others);
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
}

void rw_rule_pipe(struct rw_diagnosis *diagnosis)
{
    for (size_t i = 0; i < diagnosis->graph->node_count; i++)
        if (is_left_alone(&diagnosis->graph->nodes[i]))
            report(diagnosis, &diagnosis->graph->nodes[i]);
}
