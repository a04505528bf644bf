/* SPDX-License-Identifier: MIT */
/*
 * Who can still move? A thread that runs, sleeps, has a time limit or waits for something that anybody might
 * bring can; so can one that waits for somebody who can. All others are stuck for good: together they wait
 * for nobody but each other. That holds over locks, pipes, children and processes alike, and needs no ring to
 * be found first. Whatever is not known counts as able to move: a thread is called stuck only where every way
 * out was seen to be shut. Internal to tools/diagnosis.
 */
#ifndef RACEWATCH_TOOLS_DIAGNOSIS_STUCK_H
#define RACEWATCH_TOOLS_DIAGNOSIS_STUCK_H

#include "tools/diagnosis/graph.h"

/* Sets is_stuck in all nodes of a graph whose owners' edges are there. */
void rw_graph_find_stuck(struct rw_graph *graph, const struct rw_incident *incident);

/* The process can do nothing any more: all its threads that are left are stuck. */
bool rw_is_process_stuck(const struct rw_graph *graph, const struct rw_process_info *process);

/* The channel's other end is in sight, and who has it: the process itself, somebody else, or nobody. */
bool rw_is_channel_closed(const struct rw_channel *channel);
bool rw_is_held_by(const struct rw_channel *channel, int pid);
bool rw_is_held_by_others(const struct rw_channel *channel, int pid);

/*
 * Whose move it is where one other process alone can end the node's wait: the child that is waited for, or
 * who has the other end of a pipe or the file lock. Whether that one can move is not asked. 0 if there is
 * none, or more than one. Memory for the search is a child of the graph.
 */
int rw_process_to_move(struct rw_graph *graph, const struct rw_node *node);

#endif
