/* SPDX-License-Identifier: MIT */
#include "tools/diagnosis/diagnosis.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "tools/diagnosis/graph.h"
#include "tools/diagnosis/rules.h"
#include "tools/incident/model.h"
#include "tools/incident/words.h"

/* A ring through the end of an interpreter or of the program is told as that: so those come before the rings.
 * `unknown` fills in for all others. */
static rw_rule *const rules[] = {
    rw_rule_interpreter, rw_rule_leaked,   rw_rule_cycle,      rw_rule_tasks,
    rw_rule_stopped,     rw_rule_pipe,     rw_rule_gil,        rw_rule_signaller,
    rw_rule_progress,    rw_rule_idle,     rw_rule_unknown,    rw_rule_interpreter_race,
    rw_rule_late_thread, rw_rule_bad_join, rw_rule_destroyed,  rw_rule_foreign_unlock,
    rw_rule_fork_lock,   rw_rule_crash,    rw_rule_lock_order,
};

/* The classes from cause to symptom: of two findings that are as sure as each other, the earlier one is the
 * answer, since it explains the later one. A weak finding says that nothing was found to be wrong. The reason
 * becomes the last sentence of a finding's evidence: the rule itself. */
static const struct {
    const char *class_name;
    bool is_weak;
    const char *reason;
} classes[] = {
    {"cycle", false, "who waits in a ring waits for itself, and nothing outside the ring can end it"},
    {"livelock", false,
     "who gives up and tries again only to meet the other, who does the same, gets nowhere"},
    {"self-deadlock", false,
     "this kind of lock is not recursive: its owner blocks when it asks for it again"},
    {"orphaned-lock", false, "a lock can be let go by its owner only, and the owner is not there"},
    {"waits-for-stopped-thread", false, "a thread that cannot run ends nobody's wait"},
    {"pipe", false, "what nobody fills stays empty, and what nobody empties stays full"},
    {"interpreter-destroy", false, "Python waits for the threads of an interpreter before it destroys it"},
    {"leaked-thread", false, "a process ends when its last non-daemon thread does"},
    {"gil-held", false, "a GIL that is not handed over stops every other Python thread of its interpreters"},
    {"no-signaller", false, "a signal needs a thread that is free to give it"},
    {"interpreter-race", false, "who destroys an interpreter must be alone with it"},
    {"late-thread", false, "what begins when the end has begun is not waited for by anybody"},
    {"bad-join", false, "a thread is joined or detached once: then its handle is nobody's"},
    {"destroyed-in-use", false, "a lock is destroyed when nobody holds it or waits for it"},
    {"foreign-unlock", false, "a mutex is unlocked by the thread that locked it"},
    {"fork-with-lock", false, "a lock that is held at a fork stays locked in the child for ever"},
    {"lock-order", false, "who takes locks in one order everywhere never waits in a ring"},
    {"crash", false, "a fatal signal that nobody handles ends the process"},
    {"spinning", true, "a processor in use at one and the same place is a loop"},
    {"slow", true, "what moves, or waits with a time limit, is slow and not stuck"},
    {"idle", true, "to wait for input is what a server does"},
    {"other-process", true, "who waits for another process is where that one is"},
    {"unknown", true, "better unknown, with all that is known, than a wrong culprit"},
};

#define CLASS_COUNT (sizeof classes / sizeof *classes)

static size_t rank(const struct rw_verdict *finding)
{
    size_t i = 0;

    while (i < CLASS_COUNT && strcmp(classes[i].class_name, finding->class_name) != 0)
        i++;
    return i;
}

static bool is_weak(const struct rw_verdict *finding)
{
    size_t i = rank(finding);

    return i == CLASS_COUNT || classes[i].is_weak;
}

/* The nodes that some process's subject waits for, itself included: what explains the hang is among them. */
static bool *reach(struct rw_diagnosis *diagnosis)
{
    const struct rw_graph *graph = diagnosis->graph;
    bool *reached = talloc_zero_array(diagnosis->graph, bool, (unsigned)graph->node_count + 1);
    size_t *stack = talloc_array(diagnosis->graph, size_t, (unsigned)graph->node_count + 1);
    size_t depth = 0;

    if (!reached || !stack)
        abort();
    for (size_t i = 0; i < diagnosis->incident->process_count; i++) {
        const struct rw_process_info *process = &diagnosis->incident->processes[i];
        const struct rw_thread *subject = rw_subject(process);
        size_t node = subject ? rw_graph_node(graph, process->pid, subject->tid) : RW_NO_NODE;

        if (node == RW_NO_NODE || reached[node])
            continue;
        reached[node] = true;
        stack[depth++] = node;
        while (depth) {
            const struct rw_node *from = &graph->nodes[stack[--depth]];

            for (size_t j = 0; j < from->edge_count; j++) {
                size_t next = graph->edges[from->first_edge + j].to;

                if (next == RW_NO_NODE || reached[next])
                    continue;
                reached[next] = true;
                stack[depth++] = next;
            }
        }
    }
    return reached;
}

static bool is_relevant(const struct rw_diagnosis *diagnosis, const bool *reached,
                        const struct rw_verdict *finding)
{
    for (size_t i = 0; i < finding->culprit_count; i++) {
        size_t node = rw_graph_node(diagnosis->graph, finding->culprits[i].pid, finding->culprits[i].tid);

        if (node != RW_NO_NODE && reached[node])
            return true;
    }
    return false;
}

static bool has_living_child(const struct rw_incident *incident, int pid)
{
    for (size_t i = 0; i < incident->process_count; i++)
        if (incident->processes[i].ppid == pid && incident->processes[i].is_alive &&
            incident->processes[i].thread_count)
            return true;
    return false;
}

/* timeout(1), a shell, a test runner's controller: that it waits, and finds nothing wrong with that, is no
 * answer while it has a child that was looked at. */
static bool is_bystander(const struct rw_incident *incident, const struct rw_verdict *finding)
{
    const struct rw_process_info *process =
        finding->culprit_count ? rw_incident_find_process(incident, finding->culprits[0].pid) : NULL;
    const struct rw_thread *subject = process ? rw_subject(process) : NULL;

    for (size_t i = 1; i < finding->culprit_count; i++)
        if (process && finding->culprits[i].pid != process->pid)
            return false; /* it says whom this one waits for */
    return is_weak(finding) && subject && subject->waits_on && has_living_child(incident, process->pid);
}

/* Nothing is wrong in a process that runs no test, while another one runs a test. */
static bool is_beside_a_test(const struct rw_incident *incident, const struct rw_verdict *finding)
{
    bool is_tested = false;

    for (size_t i = 0; i < incident->process_count; i++)
        is_tested =
            is_tested || (incident->processes[i].is_alive && rw_running_test(&incident->processes[i]));
    for (size_t i = 0; i < finding->culprit_count; i++) {
        const struct rw_process_info *process = rw_incident_find_process(incident, finding->culprits[i].pid);

        if (process && rw_running_test(process))
            return false;
    }
    return is_weak(finding) && is_tested;
}

static bool is_about_races(const struct rw_incident *incident)
{
    return incident->trigger &&
           (strcmp(incident->trigger, "misuse") == 0 || strcmp(incident->trigger, "lock-order") == 0);
}

static bool is_of_crash(const struct rw_incident *incident)
{
    return incident->trigger && strcmp(incident->trigger, "crash") == 0;
}

/* First the races that the thread which crashed had a part in, for they say why, then the crash itself, then
 * the rest. */
static unsigned distance_from_crash(const struct rw_incident *incident, const struct rw_verdict *finding)
{
    for (size_t i = 0; rw_is_race_class(finding->class_name) && i < finding->culprit_count; i++) {
        const struct rw_process_info *process = rw_incident_find_process(incident, finding->culprits[i].pid);

        if (process && process->crash && process->crash->tid == finding->culprits[i].tid)
            return 0;
    }
    return strcmp(finding->class_name, "crash") == 0 ? 1 : 2;
}

/* A finding's place in the order; smaller comes first. A cycle that fired by itself is the news, whoever is
 * in it. Else the news is that somebody hangs, and what explains that one comes before what is wrong
 * elsewhere. */
static unsigned order(const struct rw_diagnosis *diagnosis, const bool *reached,
                      const struct rw_verdict *finding)
{
    bool by_cycle = diagnosis->incident->trigger && strcmp(diagnosis->incident->trigger, "cycle") == 0;
    unsigned away = !is_relevant(diagnosis, reached, finding);
    unsigned unsure = RW_EXACT - (unsigned)finding->certainty;

    unsigned other = by_cycle && !finding->is_ring;
    /* A race that was seen explains no hang by that alone. */
    unsigned beside = rw_is_race_class(finding->class_name) != is_about_races(diagnosis->incident);

    if (is_of_crash(diagnosis->incident))
        beside = distance_from_crash(diagnosis->incident, finding);

    return beside << 17 | (unsigned)is_weak(finding) << 16 |
           (unsigned)is_bystander(diagnosis->incident, finding) << 15 |
           (unsigned)is_beside_a_test(diagnosis->incident, finding) << 14 | other << 12 |
           (by_cycle ? unsure << 1 | away : away << 2 | unsure) << 8 | (unsigned)rank(finding);
}

static bool has_common_culprit(const struct rw_verdict *a, const struct rw_verdict *b)
{
    for (size_t i = 0; i < a->culprit_count; i++)
        for (size_t j = 0; j < b->culprit_count; j++)
            if (a->culprits[i].pid == b->culprits[j].pid && a->culprits[i].tid == b->culprits[j].tid)
                return true;
    return false;
}

static bool names_process(void *ctx, const char *sentence, int pid)
{
    const char *words = rw_words(ctx, "rocess %d", pid), *at = sentence;

    while ((at = strstr(at, words)))
        if (!isdigit((unsigned char)*(at += strlen(words))))
            return true;
    return false;
}

/* "In process 12 (python3), a child of process 10: ", of a process that another one of the incident began,
 * where the sentence does not say which one it is about: every process has a MainThread. Nobody takes it for
 * timeout(1) or a shell. */
static void tell_process(struct rw_incident *incident, struct rw_verdict *finding)
{
    const struct rw_process_info *process =
        finding->culprit_count ? rw_incident_find_process(incident, finding->culprits[0].pid) : NULL;
    const struct rw_process_info *parent = process ? rw_incident_find_process(incident, process->ppid) : NULL;

    if (!parent || (!parent->python && rw_is_supervisor(incident, parent)) ||
        names_process(incident, finding->sentence, process->pid))
        return;
    finding->sentence = rw_words(incident, "In process %d%s%s%s, a child of process %d: %s", process->pid,
                                 process->name ? " (" : "", process->name ? process->name : "",
                                 process->name ? ")" : "", parent->pid, finding->sentence);
}

/* A name begins some sentences, and "thread 12" is none. */
static void begin_sentence(struct rw_incident *incident, struct rw_verdict *finding)
{
    char *sentence;

    if (strncmp(finding->sentence, "the ", 4) != 0 && strncmp(finding->sentence, "thread ", 7) != 0)
        return;
    sentence = talloc_strdup(incident, finding->sentence);
    if (!sentence)
        abort();
    sentence[0] = (char)(sentence[0] - 'a' + 'A');
    finding->sentence = sentence;
}

/* Moves the findings into the incident, in their order; the same order of threads stays the same among
 * equals. */
static void publish(struct rw_diagnosis *diagnosis)
{
    struct rw_incident *incident = diagnosis->incident;
    const bool *reached = reach(diagnosis);

    for (size_t i = 1; i < diagnosis->finding_count; i++) {
        const struct rw_verdict finding = diagnosis->findings[i];
        size_t j = i;

        for (; j &&
               order(diagnosis, reached, &diagnosis->findings[j - 1]) > order(diagnosis, reached, &finding);
             j--)
            diagnosis->findings[j] = diagnosis->findings[j - 1];
        diagnosis->findings[j] = finding;
    }
    rw_tell_failed_children(diagnosis, &diagnosis->findings[0]);
    rw_tell_left(diagnosis, &diagnosis->findings[0]);
    rw_tell_pending_signals(diagnosis, &diagnosis->findings[0]);
    for (size_t i = 0; i < diagnosis->finding_count; i++)
        if (rank(&diagnosis->findings[i]) < CLASS_COUNT)
            rw_verdict_evidence(incident, &diagnosis->findings[i], "Rule: %s.",
                                classes[rank(&diagnosis->findings[i])].reason);
    for (size_t i = 0; i < diagnosis->finding_count; i++)
        tell_process(incident, &diagnosis->findings[i]);
    for (size_t i = 0; i < diagnosis->finding_count; i++)
        begin_sentence(incident, &diagnosis->findings[i]);
    incident->verdict = diagnosis->findings[0]; /* there is always one: "unknown" stands in */
    incident->also = NULL;
    incident->also_count = 0;
    for (size_t i = 1; i < diagnosis->finding_count; i++) {
        const struct rw_verdict *finding = &diagnosis->findings[i];

        /* The same hang seen from another side is not a second one. */
        if (has_common_culprit(&incident->verdict, finding)) {
            if (!is_weak(finding) && strcmp(finding->class_name, "no-signaller") != 0)
                rw_verdict_evidence(incident, &incident->verdict, "Seen from another side (%s): %s",
                                    finding->class_name, finding->sentence);
        } else if (!is_weak(finding) || is_weak(&incident->verdict)) {
            *rw_incident_add_also(incident) = *finding;
        }
    }
}

void rw_diagnose(struct rw_incident *incident)
{
    struct rw_diagnosis diagnosis = {.incident = incident, .graph = rw_graph_new(incident, incident)};

    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        rules[i](&diagnosis);
    publish(&diagnosis);
    talloc_free(diagnosis.graph);
}
