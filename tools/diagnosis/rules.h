/* SPDX-License-Identifier: MIT */
/*
 * What every rule gets, and what it gives. A rule looks at the whole incident and adds a finding for each
 * thing that it can stand for; which finding becomes the verdict is not its business. Internal to
 * tools/diagnosis.
 */
#ifndef RACEWATCH_TOOLS_DIAGNOSIS_RULES_H
#define RACEWATCH_TOOLS_DIAGNOSIS_RULES_H

#include "tools/diagnosis/graph.h"
#include "tools/incident/incident.h"

struct rw_diagnosis {
    struct rw_incident *incident; /* only notes' and verdicts' memory comes from it; rules read it */
    struct rw_graph *graph;
    struct rw_verdict *findings; /* class_name set by the rule */
    size_t finding_count;
};

typedef void rw_rule(struct rw_diagnosis *diagnosis);

rw_rule rw_rule_cycle;       /* "cycle", "self-deadlock"; after the rules for what ends */
rw_rule rw_rule_tasks;       /* "cycle", "self-deadlock", of an event loop's tasks */
rw_rule rw_rule_stopped;     /* "orphaned-lock", "waits-for-stopped-thread" */
rw_rule rw_rule_interpreter; /* "interpreter-destroy" */
rw_rule rw_rule_leaked;      /* "leaked-thread" */
rw_rule rw_rule_gil;         /* "gil-held" */
rw_rule rw_rule_signaller;   /* "no-signaller" */
rw_rule rw_rule_pipe;        /* "pipe" */
rw_rule rw_rule_progress;    /* "spinning", "slow" */
rw_rule rw_rule_idle;        /* "idle" */
rw_rule rw_rule_unknown;     /* "other-process", "unknown": only where no other rule found anything */
rw_rule rw_rule_crash;       /* "crash" */

/* Races that were seen, whether or not anybody hangs. After all others: they say nothing of who waits. */
rw_rule rw_rule_late_thread;      /* "late-thread" */
rw_rule rw_rule_interpreter_race; /* "interpreter-race" */
rw_rule rw_rule_bad_join;         /* "bad-join" */
rw_rule rw_rule_destroyed;        /* "destroyed-in-use" */
rw_rule rw_rule_foreign_unlock;   /* "foreign-unlock" */
rw_rule rw_rule_lock_order;       /* "lock-order" */
rw_rule rw_rule_fork_lock;        /* "fork-with-lock" */

/* A new finding; valid until the next one. */
struct rw_verdict *rw_finding(struct rw_diagnosis *diagnosis, const char *class_name,
                              enum rw_certainty certainty);

/* The thread whose hang matters most in a process: the one that has not moved and has others to blame, main
 * before all others. NULL in a process without threads. */
const struct rw_thread *rw_subject(const struct rw_process_info *process);

/* Finishes a finding: look_at from `where`, the test from the process if `where` is the one who runs it, else
 * from who created the thread. */
void rw_finding_place(struct rw_diagnosis *diagnosis, struct rw_verdict *finding,
                      const struct rw_process_info *process, const struct rw_thread *where);

/* Afterwards: the other side of it, as a second place to look at. */
void rw_finding_other_side(struct rw_diagnosis *diagnosis, struct rw_verdict *finding,
                           const struct rw_thread *thread);

/* Adds the threads of a chain as culprits and their waits as evidence. The last one, which waits for nobody,
 * gets `last_role`. */
void rw_finding_chain(struct rw_diagnosis *diagnosis, struct rw_verdict *finding, size_t node,
                      const size_t *chain, size_t length, const char *last_role);

/* The chain from a node as far as it names who must act: who took a semaphore last need not be who posts it.
 */
size_t rw_sure_chain(struct rw_diagnosis *diagnosis, size_t node, size_t **chain);
/* "MainThread (tid 10) waits for lock `a` held by 'w' (tid 12), which waits in recv on fd 7 for 3.0 s at
 * x.py:3": the chain from its first thread to what the last one does; without that where the last owner is
 * missing. */
char *rw_chain_words(struct rw_diagnosis *diagnosis, size_t node, const size_t *chain, size_t length);
/* "waits for lock `a` held by 'w' (tid 12)": an edge in words, from the waiter's side. */
char *rw_edge_words(struct rw_diagnosis *diagnosis, const struct rw_edge *edge, bool is_short);
/* "lock `a` is held by 'w' (tid 12), taken at x.py:3: the mutex's owner field (exact)". */
void rw_edge_evidence(struct rw_diagnosis *diagnosis, struct rw_verdict *finding, const struct rw_edge *edge);

/* The way back of the ring that `edge` closes: the edges from the one it leads to until the one that it comes
 * from. Returns how many, 0 if there is no ring; *chain is a child of the graph. */
size_t rw_ring_back(struct rw_diagnosis *diagnosis, const struct rw_edge *edge, size_t **chain);
/* Of the ring's weakest edge. */
enum rw_certainty rw_ring_certainty(const struct rw_diagnosis *diagnosis, const struct rw_edge *edge,
                                    const size_t *chain, size_t length);
/* Follows words for what the way back's first thread waits for: "; MainThread itself holds that lock, so
 * neither can go on". */
void rw_ring_tell(struct rw_diagnosis *diagnosis, char **sentence, const size_t *chain, size_t length);
/* The way back's threads behind its first as culprits, and all its edges as evidence. */
void rw_ring_members(struct rw_diagnosis *diagnosis, struct rw_verdict *finding, const size_t *chain,
                     size_t length);
/* Whether a finding that is there already has both threads of the edge among its culprits. */
bool rw_is_edge_told(const struct rw_diagnosis *diagnosis, const struct rw_edge *edge);

/* Appends ", and so blocks the event loop (asyncio) that it runs, inside task 'Task-1'", where it does. */
void rw_tell_blocked_loop(struct rw_diagnosis *diagnosis, const struct rw_process_info *process,
                          const struct rw_thread *thread, char **sentence);
/* Appends "; the event loop (asyncio) that it runs has 1 task, waiting: 'Task-1' for asyncio.Future at x.py:4
 * in main", where all of its tasks wait. */
void rw_tell_waiting_tasks(struct rw_diagnosis *diagnosis, const struct rw_process_info *process,
                           const struct rw_thread *thread, char **sentence);
/* It runs an event loop all of whose tasks wait, and waits only for what its own process could send it: in
 * what loops wake themselves by. */
bool rw_is_loop_asleep(const struct rw_process_info *process, const struct rw_thread *thread);
/* So many of the others are named at most. */
#define RW_NAMED_OTHERS 3
/* Appends "; the only other thread, 'w' (tid 7), waits for lock `a` held by MainThread at x.py:3 in job", or
 * the names of so many. All of the others wait, and there is one at least; their order may be changed. */
void rw_tell_others(struct rw_diagnosis *diagnosis, char **sentence, const struct rw_process_info *process,
                    const struct rw_thread **others, size_t count);
/* "'setter' (tid 12) ended 3.0 s ago", of the thread that ended last, as far as the recording goes back; NULL
 * if none has. */
char *rw_last_ended_words(struct rw_diagnosis *diagnosis, const struct rw_process_info *process);

/* "its child process 12 was ended by SIGKILL 3.0 s ago", of the last one that failed, if that was not long
 * before `since_ns`; else NULL. */
char *rw_failed_child_words(struct rw_diagnosis *diagnosis, const struct rw_process_info *process,
                            uint64_t since_ns);
/* The last children of the culprits' processes that failed, as evidence. */
void rw_tell_failed_children(struct rw_diagnosis *diagnosis, struct rw_verdict *finding);

/* Which signals have come to the culprits' processes and wait for their handlers, and why they do: in the
 * sentence and as evidence. */
void rw_tell_pending_signals(struct rw_diagnosis *diagnosis, struct rw_verdict *finding);

/* Which earlier tests left the finding's threads and interpreters behind, as evidence; the first one in the
 * sentence, too. */
void rw_tell_left(struct rw_diagnosis *diagnosis, struct rw_verdict *finding);

/* " at test_x.py:12 in test_two", or "". */
char *rw_at_place(struct rw_diagnosis *diagnosis, const struct rw_thread *thread);

/* Which call a thread of Python's is in: " in sleep, called by ffi_call"; "" while it runs Python code. */
char *rw_call_words(void *ctx, const struct rw_thread *thread);

/* The test that the process runs; NULL if none. */
const char *rw_running_test(const struct rw_process_info *process);
/* It began to wait before the running test began. */
bool rw_waits_since_an_earlier_test(const struct rw_process_info *process, const struct rw_thread *thread);

/* It began with a fork: only the thread that called it is there. */
bool rw_was_forked(const struct rw_process_info *process);

/* It does nothing but wait for a child or a signal, and it has a child that was looked at: timeout(1), a
 * shell, a supervisor. What the child does is the answer, not that its parent is idle. */
bool rw_is_supervisor(const struct rw_incident *incident, const struct rw_process_info *process);

/* Its threads that are left. */
size_t rw_alive_threads(const struct rw_process_info *process);

/* The process has done its work: main returned, exit or finalisation has begun. */
bool rw_is_ending(const struct rw_process_info *process);

#endif
