/* SPDX-License-Identifier: MIT */
/*
 * The wait-for graph: who waits for whom. A node is a thread of any process of the incident. An edge goes
 * from a thread that waits to the one that must do something before the wait can end: let go of a lock or of
 * the GIL, or end. The object waited for is the edge's own, not a node, since nothing here waits for an
 * object as such. Most threads have one edge at most; who destroys an interpreter may have several (it waits
 * for all).
 *
 * The graph points into the incident, which must not change while it is in use. Internal to tools/diagnosis.
 */
#ifndef RACEWATCH_TOOLS_DIAGNOSIS_GRAPH_H
#define RACEWATCH_TOOLS_DIAGNOSIS_GRAPH_H

#include "tools/incident/incident.h"

#define RW_NO_NODE SIZE_MAX

enum rw_edge_kind {
    RW_EDGE_HOLDS, /* a lock, a mutex, a semaphore used as one */
    RW_EDGE_GIL,
    RW_EDGE_JOINS,     /* waits for the other one's end */
    RW_EDGE_STARTS,    /* started the other one and waits until it says that it runs */
    RW_EDGE_DESTROYS,  /* destroys the interpreter that the other one is in, and so waits for its end */
    RW_EDGE_EXITS,     /* waits for the end of the other one's process */
    RW_EDGE_OTHER_END, /* waits for what must come by a pipe, a socket or the like; the other one's process
                          has its other end */
};

enum rw_edge_end {
    RW_END_THREAD,  /* a thread that can still do it */
    RW_END_GONE,    /* a thread that has ended */
    RW_END_MISSING, /* the process has no such thread */
    RW_END_PARKED,  /* a thread that finalisation parked for ever */
};

struct rw_edge {
    size_t from;
    size_t to; /* RW_NO_NODE if missing */
    enum rw_edge_kind kind;
    enum rw_edge_end end;
    int owner_tid;
    enum rw_certainty certainty;
    bool ends_by_itself;           /* the wait has a deadline */
    const char *how;               /* how it is known; NULL if nothing says */
    const char *taken_at;          /* where the owner took it, NULL if not known */
    const struct rw_wait_on *wait; /* of `from`; NULL where it could not be read */
    const struct rw_channel
        *channel; /* by which it waits for another process; NULL for all others. Only threads
                     that are stuck have such edges, and any one of them would do */
};

struct rw_node {
    const struct rw_process_info *process;
    const struct rw_thread *thread;
    size_t first_edge; /* into rw_graph.edges */
    size_t edge_count;
    bool is_stuck; /* nobody is left who could end its wait: stuck.h */
};

struct rw_graph {
    struct rw_node *nodes; /* in the order of (pid, tid); threads that never ran have none */
    size_t node_count;
    struct rw_edge *edges;
    size_t edge_count;
};

/* The graph, a child of `ctx`. */
struct rw_graph *rw_graph_new(void *ctx, const struct rw_incident *incident);

size_t rw_graph_node(const struct rw_graph *graph, int pid, int tid); /* or RW_NO_NODE */

/* Cycles: each is an array of edges, each one's `to` the next one's `from`, the last one's the first one's.
 * No node is in two of them. Returns how many; *cycles is a child of `ctx`. */
struct rw_cycle {
    size_t *edges; /* indexes */
    size_t length;
};
size_t rw_graph_cycles(void *ctx, const struct rw_graph *graph, struct rw_cycle **cycles);

/* The chain of blame from a node: the edges to follow until there is none, or until the chain comes back to
 * where it was. Where several lead on, the surest one. Returns how many; *chain is a child of `ctx`. */
size_t rw_graph_chain(void *ctx, const struct rw_graph *graph, size_t node, size_t **chain);

/* The node that the chain ends at: `node` itself if nothing leads on, RW_NO_NODE if the last owner is
 * missing. */
size_t rw_graph_chain_end(const struct rw_graph *graph, size_t node, const size_t *chain, size_t length);

#endif
