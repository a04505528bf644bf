/* SPDX-License-Identifier: MIT */
/* Walks over the wait-for graph: its cycles, and the chain of blame from one thread. */
#include <talloc.h>

#include "tools/basics/need.h"
#include "tools/diagnosis/graph.h"

enum colour { UNSEEN = 0, ON_PATH, DONE };

/* One step of a walk: the node, and which of its edges is looked at. */
struct step {
    size_t node;
    size_t edge; /* offset among the node's edges */
};

static void keep_cycle(void *ctx, const struct rw_graph *graph, const struct step *path, size_t depth,
                       size_t start, struct rw_cycle **cycles, size_t *count)
{
    struct rw_cycle *cycle;

    *cycles = rw_need(talloc_realloc(ctx, *cycles, struct rw_cycle, (unsigned)*count + 1));
    cycle = &(*cycles)[(*count)++];
    cycle->length = depth - start;
    cycle->edges = rw_need(talloc_array(ctx, size_t, (unsigned)cycle->length));
    for (size_t i = start; i < depth; i++)
        cycle->edges[i - start] = graph->nodes[path[i].node].first_edge + path[i].edge;
}

size_t rw_graph_cycles(void *ctx, const struct rw_graph *graph, struct rw_cycle **cycles)
{
    unsigned char *colour = rw_need(talloc_zero_array(ctx, unsigned char, (unsigned)graph->node_count + 1));
    bool *in_cycle = rw_need(talloc_zero_array(ctx, bool, (unsigned)graph->node_count + 1));
    struct step *path = rw_need(talloc_array(ctx, struct step, (unsigned)graph->node_count + 1));
    size_t count = 0;

    *cycles = NULL;
    /* Depth first, with a path of its own: a ring may be as long as there are threads. */
    for (size_t root = 0; root < graph->node_count; root++) {
        size_t depth = 0;

        if (colour[root] != UNSEEN)
            continue;
        path[depth++] = (struct step){root, 0};
        colour[root] = ON_PATH;
        while (depth) {
            struct step *step = &path[depth - 1];
            const struct rw_node *node = &graph->nodes[step->node];
            size_t next, start;

            if (step->edge == node->edge_count) {
                colour[step->node] = DONE;
                if (--depth)
                    path[depth - 1].edge++;
                continue;
            }
            next = graph->edges[node->first_edge + step->edge].to;
            if (next != RW_NO_NODE && colour[next] == UNSEEN) {
                colour[next] = ON_PATH;
                path[depth++] = (struct step){next, 0};
                continue;
            }
            if (next != RW_NO_NODE && colour[next] == ON_PATH) {
                bool is_new = true;

                for (start = depth - 1; path[start].node != next; start--)
                    is_new = is_new && !in_cycle[path[start].node];
                if (is_new && !in_cycle[next]) {
                    for (size_t i = start; i < depth; i++)
                        in_cycle[path[i].node] = true;
                    keep_cycle(ctx, graph, path, depth, start, cycles, &count);
                }
            }
            step->edge++;
        }
    }
    talloc_free(colour);
    talloc_free(in_cycle);
    talloc_free(path);
    return count;
}

size_t rw_graph_chain(void *ctx, const struct rw_graph *graph, size_t node, size_t **chain)
{
    bool *seen = rw_need(talloc_zero_array(ctx, bool, (unsigned)graph->node_count + 1));
    size_t length = 0, room = 8;

    /* Most chains are short, and there is one for each thread. */
    *chain = rw_need(talloc_array(ctx, size_t, (unsigned)room));
    while (node != RW_NO_NODE && !seen[node] && graph->nodes[node].edge_count) {
        size_t best = graph->nodes[node].first_edge;

        seen[node] = true;
        for (size_t i = 1; i < graph->nodes[node].edge_count; i++)
            if (graph->edges[graph->nodes[node].first_edge + i].certainty > graph->edges[best].certainty)
                best = graph->nodes[node].first_edge + i;
        if (length == room)
            *chain = rw_need(talloc_realloc(ctx, *chain, size_t, (unsigned)(room *= 2)));
        (*chain)[length++] = best;
        node = graph->edges[best].to;
    }
    talloc_free(seen);
    return length;
}

size_t rw_graph_chain_end(const struct rw_graph *graph, size_t node, const size_t *chain, size_t length)
{
    return length ? graph->edges[chain[length - 1]].to : node;
}
