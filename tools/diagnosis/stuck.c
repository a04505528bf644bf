/* SPDX-License-Identifier: MIT */
#include "tools/diagnosis/stuck.h"

#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "tools/diagnosis/rules.h"
#include "tools/incident/model.h"
#include "tools/incident/other_ends.h"
#include "tools/incident/wait_kinds.h"
#include "tools/incident/words.h"

/* What is known of a process while the search goes on. */
struct reach {
    const struct rw_process_info *process;
    bool can_move;
};

struct search {
    struct rw_graph *graph;
    struct reach *processes; /* in the order of their pids */
    size_t process_count;
};

bool rw_is_channel_closed(const struct rw_channel *channel)
{
    static const char *const closed[] = {"pipe",    "unix",      "tcp",    "eventfd",
                                         "process", "file-lock", "memory", "pty"};

    if (channel->is_complete != 1)
        return false;
    for (size_t i = 0; i < sizeof closed / sizeof *closed; i++)
        if (strcmp(channel->kind, closed[i]) == 0)
            return true;
    return false;
}

bool rw_is_held_by(const struct rw_channel *channel, int pid)
{
    for (size_t i = 0; i < channel->holder_count; i++)
        if (channel->holders[i].pid == pid)
            return true;
    return false;
}

bool rw_is_held_by_others(const struct rw_channel *channel, int pid)
{
    for (size_t i = 0; i < channel->holder_count; i++)
        if (channel->holders[i].pid != pid)
            return true;
    return false;
}

static int compare_pids(const void *left, const void *right)
{
    int a = ((const struct reach *)left)->process->pid, b = ((const struct reach *)right)->process->pid;

    return (a > b) - (a < b);
}

static struct reach *reach_of(const struct search *search, int pid)
{
    const struct rw_process_info process = {.pid = pid};
    const struct reach key = {.process = &process};

    return search->process_count
               ? bsearch(&key, search->processes, search->process_count, sizeof key, compare_pids)
               : NULL;
}

/* One that was not looked at may do anything. */
static bool can_process_move(const struct search *search, int pid)
{
    const struct reach *reach = reach_of(search, pid);

    return !reach || reach->can_move;
}

static bool is_for_process(const struct rw_channel *channel)
{
    return strcmp(channel->kind, "process") == 0;
}

static bool can_channel_end(const struct search *search, const struct rw_channel *channel)
{
    if (!rw_is_channel_closed(channel))
        return true;
    /* A zombie's wait is about to be over. */
    if (is_for_process(channel) && (!channel->state || strcmp(channel->state, "alive") != 0))
        return true;
    for (size_t i = 0; i < channel->holder_count; i++)
        if (can_process_move(search, channel->holders[i].pid))
            return true;
    return false;
}

/* A server may sit on an event until a signal's handler sets it. Who tests, or has begun to end, has no such
 * reason. */
static bool may_be_signalled(const struct rw_process_info *process)
{
    return process->has_handlers != 0 && !rw_running_test(process) && !rw_is_ending(process);
}

static bool can_owners_move(const struct search *search, const struct rw_node *node)
{
    for (size_t i = 0; i < node->edge_count; i++) {
        const struct rw_edge *edge = &search->graph->edges[node->first_edge + i];
        bool can_move = edge->to != RW_NO_NODE && !search->graph->nodes[edge->to].is_stuck;

        if (edge->end == RW_END_GONE)
            /* A join of one that has ended is about to return. */
            can_move = edge->kind != RW_EDGE_HOLDS && edge->kind != RW_EDGE_STARTS;
        else if (edge->end != RW_END_THREAD)
            can_move = false;
        /* All of them must act, where there are several. */
        if (!can_move)
            return false;
    }
    return true;
}

/* Any thread of the process could end it, and of the others that share the memory. */
static bool can_sharers_move(const struct search *search, const struct rw_node *node)
{
    const struct rw_wait_on *wait = node->thread->waits_on;

    if (can_process_move(search, node->process->pid))
        return true;
    for (size_t i = 0; i < wait->channel_count; i++)
        if (can_channel_end(search, &wait->channels[i]))
            return true;
    return false;
}

static bool is_kind(const struct rw_wait_on *wait, const char *kind)
{
    return wait->kind && strcmp(wait->kind, kind) == 0;
}

static bool can_move(const struct search *search, const struct rw_node *node)
{
    const struct rw_thread *thread = node->thread;
    const struct rw_wait_on *wait = thread->waits_on;
    const struct rw_wait_kind *kind = rw_wait_kind_of(wait);
    bool is_gil = wait && is_kind(wait, "gil");

    if (!wait || thread->os_state == 'T' || thread->os_state == 't' ||
        (!is_gil && (wait->has_deadline || thread->moved == 1)))
        return true;
    if (node->edge_count && !kind->owner_is_guess)
        return can_owners_move(search, node);
    switch (kind->ends) {
    case RW_ENDS_NEVER:
        return false;
    case RW_ENDS_BY_SIGNAL:
        return may_be_signalled(node->process) || can_sharers_move(search, node);
    case RW_ENDS_BY_RELEASE:
        if (is_gil || (wait->owner.tid == 0 && !kind->owner_is_guess))
            return true; /* nobody is known to have it */
        if (is_kind(wait, "file-lock"))
            break;
        return (kind->owner_is_guess && may_be_signalled(node->process)) || can_sharers_move(search, node);
    case RW_ENDS_UNKNOWN:
        return !(is_kind(wait, "futex") || is_kind(wait, "fork")) || can_sharers_move(search, node);
    case RW_ENDS_BY_INPUT:
        break;
    default: /* time, or the end or beginning of a thread that is not known */
        return true;
    }
    /* An epoll set may be added to by the process itself. */
    if (wait->channel_count == 0 ||
        (is_kind(wait, "poll") && wait->fd >= 0 && wait->call && strncmp(wait->call, "epoll", 5) == 0 &&
         can_process_move(search, node->process->pid)))
        return true;
    for (size_t i = 0; i < wait->channel_count; i++)
        if (can_channel_end(search, &wait->channels[i]))
            return true;
    return false;
}

void rw_graph_find_stuck(struct rw_graph *graph, const struct rw_incident *incident)
{
    struct search search = {.graph = graph, .process_count = incident->process_count};
    bool has_changed = true;

    search.processes = talloc_zero_array(graph, struct reach, (unsigned)incident->process_count + 1);
    if (!search.processes)
        abort();
    for (size_t i = 0; i < incident->process_count; i++) {
        const struct rw_process_info *process = &incident->processes[i];
        /* Of one that is gone, or that could not be looked at, nobody knows what it could do. */
        search.processes[i] = (struct reach){process, !process->is_alive || process->thread_count == 0};
        for (size_t j = 0; j < process->thread_count; j++)
            if (process->threads[j].tid == 0 && process->threads[j].state &&
                strcmp(process->threads[j].state, "new") == 0)
                search.processes[i].can_move = true; /* it is about to run */
    }
    qsort(search.processes, search.process_count, sizeof *search.processes, compare_pids);
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct rw_node *node = &graph->nodes[i];
        graph->nodes[i].is_stuck = node->process->is_alive && !rw_thread_is_gone(node->process, node->thread);
    }
    /* Whoever can move sets free those that wait for it, until nobody more comes free. Up and down in turn: a
     * long row of waiters mostly waits in the order, or against the order, in which its threads were made. */
    for (bool is_down = false; has_changed; is_down = !is_down) {
        has_changed = false;
        for (size_t i = 0; i < graph->node_count; i++) {
            struct rw_node *node = &graph->nodes[is_down ? graph->node_count - 1 - i : i];
            if (!node->is_stuck || !can_move(&search, node))
                continue;
            node->is_stuck = false;
            reach_of(&search, node->process->pid)->can_move = true;
            has_changed = true;
        }
    }
    talloc_free(search.processes);
}

bool rw_is_process_stuck(const struct rw_graph *graph, const struct rw_process_info *process)
{
    bool has_thread = false;

    for (size_t i = 0; i < process->thread_count; i++) {
        const struct rw_thread *thread = &process->threads[i];
        if (thread->tid == 0 || rw_thread_is_gone(process, thread))
            continue;
        size_t node = rw_graph_node(graph, process->pid, thread->tid);
        if (node == RW_NO_NODE || !graph->nodes[node].is_stuck)
            return false;
        has_thread = true;
    }
    return has_thread;
}

int rw_process_to_move(struct rw_graph *graph, const struct rw_node *node)
{
    const struct rw_wait_on *wait = node->thread->waits_on;
    const struct rw_holder **holders;

    if (!wait || !node->process->is_alive)
        return 0;
    for (size_t i = 0; i < wait->channel_count; i++)
        if (!rw_is_channel_closed(&wait->channels[i]) ||
            rw_is_held_by(&wait->channels[i], node->process->pid))
            return 0;
    return rw_other_ends(graph, node->process, wait, &holders) == 1 ? holders[0]->pid : 0;
}
