/* SPDX-License-Identifier: MIT */
/*
 * Locks that threads took in orders that contradict each other: a deadlock that did not happen.
 *
 * A ring of lock orders is one if its threads are all different, could run at once, and would block each
 * other at every lock of it. They cannot run at once where all that one did was over before the other began,
 * or before one of them joined the other; nor where two of them hold the same further lock (a gate).
 */
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "tools/diagnosis/rules.h"
#include "tools/incident/model.h"
#include "tools/incident/words.h"

#define RING_MAX 5u
#define RINGS_MAX 8u       /* told of one process */
#define STEPS_MAX 2000000u /* of the search, in a graph that was made to keep us busy */

struct search {
    struct rw_diagnosis *diagnosis;
    const struct rw_process_info *process;
    const struct rw_lock_edge_info *ring[RING_MAX];
    size_t told;
    unsigned steps;
    uint64_t told_locks[RINGS_MAX]; /* sums of the rings' locks: the same ring by other threads is no other */
};

static bool is_gil(const char *kind)
{
    return kind && strcmp(kind, "gil") == 0;
}

static bool share_gate(const struct rw_lock_edge_info *a, const struct rw_lock_edge_info *b)
{
    for (size_t i = 0; i < a->gate_count; i++)
        for (size_t j = 0; j < b->gate_count; j++)
            if (a->gates[i].lock == b->gates[j].lock)
                return true;
    return false;
}

/* What `a` did was over before `b` could do what it did. */
static bool is_before(const struct rw_lock_edge_info *a, const struct rw_lock_edge_info *b)
{
    if (a->joined_ns && b->created_ns && a->joined_ns < b->created_ns)
        return true;
    if (b->creator_tid == a->tid && b->created_ns > a->time_ns)
        return true;
    return a->joiner_tid == b->tid && a->joined_ns && a->joined_ns < b->time_ns;
}

static bool fits(const struct rw_lock_edge_info *a, const struct rw_lock_edge_info *b)
{
    return a->tid != b->tid && !share_gate(a, b) && !is_before(a, b) && !is_before(b, a);
}

/* Of `before`'s second lock and `after`'s first: the same, and not by two readers. */
static bool leads_to(const struct rw_lock_edge_info *before, const struct rw_lock_edge_info *after)
{
    return before->to == after->from && before->to_generation == after->from_generation &&
           !(before->is_to_shared && after->is_from_shared);
}

/* Interpreters may have a GIL each. */
static bool has_one_gil(const struct rw_process_info *process, uint64_t gil)
{
    for (size_t i = 0; i < process->lock_edge_count; i++) {
        const struct rw_lock_edge_info *edge = &process->lock_edges[i];

        if ((is_gil(edge->from_kind) && edge->from != gil) || (is_gil(edge->to_kind) && edge->to != gil))
            return false;
    }
    return true;
}

static char *lock_words(const struct search *search, const char *kind, const char *name, uint64_t address)
{
    struct rw_incident *incident = search->diagnosis->incident;
    unsigned long long number = address;

    if (is_gil(kind))
        return has_one_gil(search->process, address) ? rw_words(incident, "the GIL")
                                                     : rw_words(incident, "the GIL at 0x%llx", number);
    if (name)
        return rw_words(incident, "`%s`", name);
    return rw_words(incident, "%s0x%llx", kind && strcmp(kind, "python-lock") == 0 ? "the Python lock " : "",
                    number);
}

static char *from_words(const struct search *search, const struct rw_lock_edge_info *edge)
{
    return lock_words(search, edge->from_kind, edge->from_name, edge->from);
}

static char *to_words(const struct search *search, const struct rw_lock_edge_info *edge)
{
    return lock_words(search, edge->to_kind, edge->to_name, edge->to);
}

static const struct rw_thread *thread_of(const struct search *search, const struct rw_lock_edge_info *edge,
                                         struct rw_thread *ghost)
{
    *ghost = (struct rw_thread){
        .tid = edge->tid, .name = edge->name, .is_main = edge->tid == search->process->pid};
    return ghost;
}

/* The line of the program's own that took it; else the call, as far as it has a name. */
static const char *place_words(struct rw_incident *incident, const struct rw_lock_place *place)
{
    const struct rw_thread stack = {.native = place->native,
                                    .native_count = place->native_count,
                                    .python = place->python,
                                    .python_count = place->python_count};
    const char *words = rw_place(incident, &stack);

    return words ? words : place->where;
}

static const char *at(struct rw_incident *incident, const struct rw_lock_place *place)
{
    const char *words = place_words(incident, place);

    return words ? rw_words(incident, " at %s", words) : "";
}

static void append_frame(struct rw_incident *incident, char **text, const char *function, const char *file,
                         int line)
{
    rw_append(incident, text, "%s%s", *text ? " < " : "", function);
    if (file)
        rw_append(incident, text, " (%s:%d)", file, line);
}

static void add_stack(struct search *search, struct rw_verdict *finding, const char *who, const char *lock,
                      const struct rw_lock_place *place)
{
    struct rw_incident *incident = search->diagnosis->incident;
    char *native = NULL, *python = NULL;
    bool has_own = false; /* then what the interpreter and libc do beside it is left out */

    for (size_t i = 0; i < place->native_count; i++)
        has_own |= place->native[i].function && !rw_is_plumbing(&place->native[i]);
    for (size_t i = 0; i < place->python_count; i++)
        append_frame(incident, &python, place->python[i].function, place->python[i].file,
                     place->python[i].line);
    for (size_t i = 0; i < place->native_count; i++)
        if (!place->native[i].is_shim && place->native[i].function &&
            !(has_own && rw_is_plumbing(&place->native[i])))
            append_frame(incident, &native, place->native[i].function, place->native[i].file,
                         place->native[i].line);
    if (python || native)
        rw_verdict_evidence(incident, finding,
                            "%s's stack when it took %s, the first time by that call: %s%s%s", who, lock,
                            python ? python : "", python && native ? "; native: " : "", native ? native : "");
}

/* Where an order comes about. The interpreter takes its GIL at places that are nobody's own: there it is
 * where the other lock was taken. */
static const char *look_at(const struct search *search, const struct rw_lock_edge_info *edge)
{
    struct rw_incident *incident = search->diagnosis->incident;
    const char *to = place_words(incident, &edge->to_place), *from = place_words(incident, &edge->from_place);

    return from && (!to || rw_is_interpreter_place(to)) ? from : to;
}

static void report(struct search *search, size_t length)
{
    struct rw_incident *incident = search->diagnosis->incident;
    struct rw_verdict *finding = rw_finding(search->diagnosis, "lock-order", RW_INFERRED);
    char *sentence = NULL;

    for (size_t i = 0; i < length; i++) {
        const struct rw_lock_edge_info *edge = search->ring[i];
        struct rw_thread ghost;
        const struct rw_thread *thread = thread_of(search, edge, &ghost);
        char *from = from_words(search, edge), *to = to_words(search, edge);
        const char *to_at = at(incident, &edge->to_place);
        const char *label = rw_thread_short_label(incident, thread);

        rw_append(incident, &sentence, "%s%s took %s%s while it held %s", i ? ", and " : "",
                  rw_thread_label(incident, thread), to, to_at, from);
        rw_verdict_culprit(incident, finding, search->process->pid, thread, i ? "other" : "actor",
                           "took %s%s while it held %s, which it had taken%s", to, to_at, from,
                           at(incident, &edge->from_place));
        add_stack(search, finding, label, to, &edge->to_place);
        add_stack(search, finding, label, from, &edge->from_place);
    }
    rw_append(incident, &sentence, ": had they done so at once, they would wait for each other for ever.");
    finding->sentence = sentence;
    finding->look_at = look_at(search, search->ring[0]);
    finding->look_at_also = look_at(search, search->ring[1]);
    if (finding->look_at && finding->look_at_also && strcmp(finding->look_at, finding->look_at_also) == 0)
        finding->look_at_also = NULL;
    rw_verdict_evidence(
        incident, finding,
        "No lock that both hold, no creation and no join of a thread keeps them apart, as far as was seen: "
        "inferred");
}

static void found(struct search *search, size_t length)
{
    uint64_t locks = 0;

    for (size_t i = 0; i < length; i++)
        locks += search->ring[i]->from * 31 + search->ring[i]->from_generation;
    for (size_t i = 0; i < search->told; i++)
        if (search->told_locks[i] == locks)
            return;
    search->told_locks[search->told++] = locks;
    report(search, length);
}

/* Goes on from a ring's first `length` edges. The first one is the one with the least address, so that each
 * ring is come to once. */
static void extend(struct search *search, size_t length)
{
    const struct rw_process_info *process = search->process;
    const struct rw_lock_edge_info *last = search->ring[length - 1];

    if (length >= 2 && leads_to(last, search->ring[0])) {
        found(search, length);
        return;
    }
    for (size_t i = 0; i < process->lock_edge_count && length < RING_MAX && search->told < RINGS_MAX &&
                       search->steps < STEPS_MAX;
         i++) {
        const struct rw_lock_edge_info *next = &process->lock_edges[i];
        bool is_fit = leads_to(last, next) && next->from > search->ring[0]->from;

        search->steps++;
        for (size_t j = 0; j < length && is_fit; j++)
            is_fit = fits(search->ring[j], next);
        if (!is_fit)
            continue;
        search->ring[length] = next;
        extend(search, length + 1);
    }
}

void rw_rule_lock_order(struct rw_diagnosis *diagnosis)
{
    for (size_t i = 0; i < diagnosis->incident->process_count; i++) {
        struct search search = {.diagnosis = diagnosis, .process = &diagnosis->incident->processes[i]};

        for (size_t j = 0; j < search.process->lock_edge_count && search.told < RINGS_MAX; j++) {
            search.ring[0] = &search.process->lock_edges[j];
            extend(&search, 1);
        }
    }
}
