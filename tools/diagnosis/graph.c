/* SPDX-License-Identifier: MIT */
#include "tools/diagnosis/graph.h"

#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "tools/diagnosis/rules.h"
#include "tools/diagnosis/stuck.h"
#include "tools/incident/interpreters.h"
#include "tools/incident/model.h"
#include "tools/incident/wait_kinds.h"
#include "tools/incident/words.h"

struct builder {
    struct rw_graph *graph;
    size_t room; /* of edges */
    const struct rw_incident *incident;
    size_t *reached; /* for each node: the node that last got a channel's edge to it, plus one */
};

static int compare_nodes(const void *left, const void *right)
{
    const struct rw_node *a = left, *b = right;
    int pid_order = (a->process->pid > b->process->pid) - (a->process->pid < b->process->pid);

    return pid_order ? pid_order : (a->thread->tid > b->thread->tid) - (a->thread->tid < b->thread->tid);
}

size_t rw_graph_node(const struct rw_graph *graph, int pid, int tid)
{
    const struct rw_process_info process = {.pid = pid};
    const struct rw_thread thread = {.tid = tid};
    const struct rw_node key = {.process = &process, .thread = &thread};
    const struct rw_node *found =
        graph->node_count ? bsearch(&key, graph->nodes, graph->node_count, sizeof key, compare_nodes) : NULL;

    return found ? (size_t)(found - graph->nodes) : RW_NO_NODE;
}

/* The process, if it has a node. */
static const struct rw_process_info *process_of(const struct rw_graph *graph, int pid)
{
    size_t low = 0, high = graph->node_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (graph->nodes[middle].process->pid < pid)
            low = middle + 1;
        else
            high = middle;
    }
    return low < graph->node_count && graph->nodes[low].process->pid == pid ? graph->nodes[low].process
                                                                            : NULL;
}

static bool is_parked(const struct rw_thread *thread)
{
    return rw_wait_kind_of(thread->waits_on)->ends == RW_ENDS_NEVER;
}

static void add_edge(struct builder *builder, struct rw_edge edge)
{
    struct rw_graph *graph = builder->graph;
    const struct rw_node *from = &graph->nodes[edge.from];

    if (!edge.channel)
        edge.to = rw_graph_node(graph, from->process->pid, edge.owner_tid);
    if (!edge.channel && edge.wait && edge.wait->owner.tid == edge.owner_tid && edge.wait->owner.pid > 0)
        edge.to = rw_graph_node(graph, edge.wait->owner.pid, edge.owner_tid);
    if (edge.to == RW_NO_NODE)
        edge.end = RW_END_MISSING;
    else if (rw_thread_is_gone(graph->nodes[edge.to].process, graph->nodes[edge.to].thread))
        edge.end = RW_END_GONE;
    else if (is_parked(graph->nodes[edge.to].thread))
        edge.end = RW_END_PARKED;
    /* The threads were looked at one after the other: one that has moved since the look before may have
     * got what it waited for. A wait for the GIL is a loop of short waits, and moves while it is stuck. */
    if (from->thread->moved == 1 && edge.kind != RW_EDGE_GIL && edge.certainty > RW_INFERRED)
        edge.certainty = RW_INFERRED;
    if (edge.ends_by_itself && edge.certainty > RW_INFERRED)
        edge.certainty = RW_INFERRED;
    if (graph->edge_count == builder->room) {
        builder->room = builder->room * 2 + 16;
        graph->edges = talloc_realloc(graph, graph->edges, struct rw_edge, (unsigned)builder->room);
        if (!graph->edges)
            abort();
    }
    graph->edges[graph->edge_count++] = edge;
}

static void add_gil_edge(struct builder *builder, size_t from)
{
    const struct rw_node *node = &builder->graph->nodes[from];
    const struct rw_wait_on *wait = node->thread->waits_on;
    const struct rw_gil *gil = rw_thread_gil(node->process, node->thread);
    struct rw_edge edge = {.from = from, .kind = RW_EDGE_GIL, .wait = wait};

    if (wait->owner.tid > 0) {
        edge.owner_tid = wait->owner.tid;
        edge.certainty = wait->owner.certainty;
        edge.how = wait->owner.how;
    } else if (gil && gil->is_locked != 0 && gil->holder_tid > 0) {
        edge.owner_tid = gil->holder_tid;
        edge.certainty = gil->certainty;
        edge.how = "the GIL's own record of its holder";
    }
    if (edge.owner_tid > 0 && edge.owner_tid != node->thread->tid)
        add_edge(builder, edge);
}

/* Who ends an interpreter waits for the threads in it, daemon threads apart. At the end of all of Python that
 * holds for threads that are known to be none; what C code created and lent to Python is not waited for. */
static void add_ending_edges(struct builder *builder, size_t from, int64_t interpreter, bool is_finalize)
{
    const struct rw_node *node = &builder->graph->nodes[from];

    for (size_t i = 0; i < node->process->thread_count; i++) {
        const struct rw_thread *thread = &node->process->threads[i];

        if (thread == node->thread || thread->tid == 0 || thread->is_daemon == 1 ||
            (is_finalize && thread->is_daemon != 0) || rw_thread_is_gone(node->process, thread) ||
            !rw_thread_is_in(node->process, thread, interpreter))
            continue;
        add_edge(builder, (struct rw_edge){
                              .from = from,
                              .kind = is_finalize ? RW_EDGE_JOINS : RW_EDGE_DESTROYS,
                              .owner_tid = thread->tid,
                              .certainty = RW_INFERRED,
                              .wait = node->thread->waits_on,
                              .how = rw_has_thread_states(node->process)
                                         ? "it has a thread state in that interpreter"
                                         : "it was created by a thread of that interpreter",
                          });
    }
}

/* The owner is in a process that was not looked at: whether it is there is not known, nor what it does. */
static bool is_out_of_sight(const struct builder *builder, const struct rw_node *node)
{
    int pid = node->thread->waits_on->owner.pid;

    return pid > 0 && pid != node->process->pid && !rw_incident_find_process(builder->incident, pid);
}

static void add_edges(struct builder *builder, size_t from)
{
    struct rw_node *node = &builder->graph->nodes[from];
    const struct rw_thread *thread = node->thread;
    const struct rw_wait_on *wait = thread->waits_on;
    const struct rw_wait_kind *kind = rw_wait_kind_of(wait);
    const struct rw_ending ending = rw_thread_ending(node->process, thread);

    node->first_edge = builder->graph->edge_count;
    if (!wait || rw_thread_is_gone(node->process, thread))
        return;
    if (strcmp(kind->kind ? kind->kind : "", "gil") == 0) {
        add_gil_edge(builder, from);
    } else if ((kind->ends == RW_ENDS_BY_RELEASE || kind->ends == RW_ENDS_BY_EXIT ||
                kind->ends == RW_ENDS_BY_BEGIN) &&
               wait->owner.tid > 0 && !is_out_of_sight(builder, node)) {
        struct rw_edge edge = {
            .from = from,
            .kind = kind->ends == RW_ENDS_BY_EXIT    ? RW_EDGE_JOINS
                    : kind->ends == RW_ENDS_BY_BEGIN ? RW_EDGE_STARTS
                                                     : RW_EDGE_HOLDS,
            .owner_tid = wait->owner.tid,
            .certainty = wait->owner.certainty,
            .ends_by_itself = wait->has_deadline,
            .how = wait->owner.how,
            .taken_at = wait->owner.taken_at,
            .wait = wait,
        };
        bool is_self =
            wait->owner.tid == thread->tid && (wait->owner.pid <= 0 || wait->owner.pid == node->process->pid);

        if (kind->owner_is_guess && edge.certainty > RW_INFERRED)
            edge.certainty = RW_INFERRED;
        if (edge.kind == RW_EDGE_JOINS && ending.is_ending && !ending.is_finalize)
            edge.kind = RW_EDGE_DESTROYS;
        if (!is_self || kind->blocks_owner)
            add_edge(builder, edge);
    }
    if (builder->graph->edge_count == node->first_edge && ending.is_ending &&
        (kind->ends == RW_ENDS_BY_RELEASE || kind->ends == RW_ENDS_BY_EXIT ||
         kind->ends == RW_ENDS_UNKNOWN) &&
        strcmp(kind->kind ? kind->kind : "", "gil") != 0)
        add_ending_edges(builder, from, ending.interpreter, ending.is_finalize);
    node->edge_count = builder->graph->edge_count - node->first_edge;
}

static bool uses(const struct rw_thread *thread, int fd)
{
    for (size_t i = 0; fd >= 0 && thread->waits_on && i < thread->waits_on->channel_count; i++)
        if (thread->waits_on->channels[i].fd == fd)
            return true;
    return false;
}

/* Who stands for a process that has the other end: the thread that waits on that very descriptor, else the
 * one whose hang matters most. */
static const struct rw_thread *stand_in(const struct rw_process_info *process, const struct rw_holder *holder,
                                        const struct rw_thread *other_than)
{
    for (size_t i = 0; i < process->thread_count; i++)
        if (&process->threads[i] != other_than && uses(&process->threads[i], holder->fd))
            return &process->threads[i];
    return rw_subject(process);
}

/* A futex in shared memory and an eventfd have no two ends: who waits on one wants what the others want that
 * do, and is nobody who would give it to them. */
static bool wants_the_same(const struct rw_thread *thread, const struct rw_channel *channel)
{
    const struct rw_wait_on *wait = thread->waits_on;

    if (!wait || !channel->name ||
        (strcmp(channel->kind, "memory") != 0 && strcmp(channel->kind, "eventfd") != 0))
        return false;
    for (size_t i = 0; i < wait->channel_count; i++)
        if (strcmp(wait->channels[i].kind, channel->kind) == 0 && wait->channels[i].name &&
            strcmp(wait->channels[i].name, channel->name) == 0 && wait->channels[i].inode == channel->inode)
            return true;
    return false;
}

static void add_channel_edge(struct builder *builder, size_t from, const struct rw_channel *channel,
                             const struct rw_holder *holder)
{
    struct rw_graph *graph = builder->graph;
    const struct rw_node *node = &graph->nodes[from];
    const struct rw_process_info *process = process_of(graph, holder->pid);
    bool is_lock = strcmp(channel->kind, "file-lock") == 0, is_exit = strcmp(channel->kind, "process") == 0;
    const struct rw_thread *other = process ? stand_in(process, holder, node->thread) : NULL;
    size_t to = other ? rw_graph_node(graph, process->pid, other->tid) : RW_NO_NODE;

    if (to == RW_NO_NODE || !graph->nodes[to].is_stuck)
        return;
    /* That a process has both ends says nothing of which of its threads should use the other one. */
    if (wants_the_same(other, channel) ||
        (process == node->process && !is_lock && (other == node->thread || !uses(other, holder->fd))))
        return;
    /* Who has many of the ends is told by the first of them. */
    if (builder->reached[to] == from + 1)
        return;
    builder->reached[to] = from + 1;
    bool is_sure = node->thread->waits_on->channel_count == 1 && channel->holder_count == 1 &&
                   !channel->note && (is_exit || rw_alive_threads(process) == 1);
    add_edge(builder, (struct rw_edge){
                          .from = from,
                          .to = to,
                          .kind = is_exit   ? RW_EDGE_EXITS
                                  : is_lock ? RW_EDGE_HOLDS
                                            : RW_EDGE_OTHER_END,
                          .owner_tid = other->tid,
                          .certainty = is_sure ? RW_EXACT : RW_INFERRED,
                          .wait = node->thread->waits_on,
                          .channel = channel,
                          .how = is_exit   ? "the call's argument"
                                 : is_lock ? "the descriptor that has the lock"
                                           : "the descriptors of all processes that can be seen",
                      });
}

/* A thread that is stuck waits for whoever has the other ends, all of whom are stuck as well. Its own process
 * comes last: that it could write to itself explains least. */
static void add_channel_edges(struct builder *builder, size_t from)
{
    struct rw_node *node = &builder->graph->nodes[from];
    const struct rw_wait_on *wait = node->thread->waits_on;

    if (node->edge_count || !node->is_stuck || !wait)
        return;
    node->first_edge = builder->graph->edge_count;
    for (int own = 0; own < 2; own++)
        for (size_t i = 0; i < wait->channel_count; i++)
            for (size_t j = 0; j < wait->channels[i].holder_count; j++)
                if ((wait->channels[i].holders[j].pid == node->process->pid) == own)
                    add_channel_edge(builder, from, &wait->channels[i], &wait->channels[i].holders[j]);
    node->edge_count = builder->graph->edge_count - node->first_edge;
}

struct rw_graph *rw_graph_new(void *ctx, const struct rw_incident *incident)
{
    struct rw_graph *graph = talloc_zero(ctx, struct rw_graph);
    struct builder builder = {.graph = graph, .incident = incident};
    size_t threads = 0;

    for (size_t i = 0; i < incident->process_count; i++)
        threads += incident->processes[i].thread_count;
    graph->nodes = talloc_zero_array(graph, struct rw_node, (unsigned)threads + 1);
    if (!graph->nodes)
        abort();
    for (size_t i = 0; i < incident->process_count; i++) {
        const struct rw_process_info *process = &incident->processes[i];

        for (size_t j = 0; j < process->thread_count; j++)
            if (process->threads[j].tid > 0)
                graph->nodes[graph->node_count++] =
                    (struct rw_node){.process = process, .thread = &process->threads[j]};
    }
    qsort(graph->nodes, graph->node_count, sizeof *graph->nodes, compare_nodes);
    for (size_t i = 0; i < graph->node_count; i++)
        add_edges(&builder, i);
    rw_graph_find_stuck(graph, incident);
    builder.reached = talloc_zero_array(graph, size_t, (unsigned)graph->node_count + 1);
    if (!builder.reached)
        abort();
    for (size_t i = 0; i < graph->node_count; i++)
        add_channel_edges(&builder, i);
    talloc_free(builder.reached);
    return graph;
}
