/* SPDX-License-Identifier: MIT */
/* Locks that threads took in orders that contradict each other: a deadlock that did not happen. */
#include <string.h>

#include "tools/diagnosis/lock_rings.h"
#include "tools/diagnosis/rules.h"
#include "tools/incident/model.h"
#include "tools/incident/words.h"

static bool is_gil(const char *kind)
{
    return kind && strcmp(kind, "gil") == 0;
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

static char *lock_words(struct rw_incident *incident, const struct rw_process_info *process, const char *kind,
                        const char *name, uint64_t address)
{
    unsigned long long number = address;

    if (is_gil(kind))
        return has_one_gil(process, address) ? rw_words(incident, "the GIL")
                                             : rw_words(incident, "the GIL at 0x%llx", number);
    if (name)
        return rw_words(incident, "`%s`", name);
    return rw_words(incident, "%s0x%llx", kind && strcmp(kind, "python-lock") == 0 ? "the Python lock " : "",
                    number);
}

static char *from_words(struct rw_incident *incident, const struct rw_process_info *process,
                        const struct rw_lock_edge_info *edge)
{
    return lock_words(incident, process, edge->from_kind, edge->from_name, edge->from);
}

static char *to_words(struct rw_incident *incident, const struct rw_process_info *process,
                      const struct rw_lock_edge_info *edge)
{
    return lock_words(incident, process, edge->to_kind, edge->to_name, edge->to);
}

static struct rw_thread thread_of(const struct rw_process_info *process, const struct rw_lock_edge_info *edge)
{
    return (struct rw_thread){.tid = edge->tid, .name = edge->name, .is_main = edge->tid == process->pid};
}

static const char *at(struct rw_incident *incident, const struct rw_lock_place *place)
{
    const char *words = rw_lock_place_words(incident, place);

    return words ? rw_words(incident, " at %s", words) : "";
}

static void append_frame(struct rw_incident *incident, char **text, const char *function, const char *file,
                         int line)
{
    rw_append(incident, text, "%s%s", *text ? " < " : "", function);
    if (file)
        rw_append(incident, text, " (%s:%d)", file, line);
}

static void add_stack(struct rw_incident *incident, struct rw_verdict *finding, const char *who,
                      const char *lock, const struct rw_lock_place *place)
{
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
static const char *look_at(struct rw_incident *incident, const struct rw_lock_edge_info *edge)
{
    const char *to = rw_lock_place_words(incident, &edge->to_place),
               *from = rw_lock_place_words(incident, &edge->from_place);

    return from && (!to || rw_is_interpreter_place(to)) ? from : to;
}

static void report(void *context, const struct rw_process_info *process,
                   const struct rw_lock_edge_info *const ring[], size_t length)
{
    struct rw_diagnosis *diagnosis = context;
    struct rw_incident *incident = diagnosis->incident;
    struct rw_verdict *finding = rw_finding(diagnosis, "lock-order", RW_INFERRED);
    char *sentence = NULL;

    for (size_t i = 0; i < length; i++) {
        const struct rw_lock_edge_info *edge = ring[i];
        const struct rw_thread ghost = thread_of(process, edge), *thread = &ghost;
        char *from = from_words(incident, process, edge), *to = to_words(incident, process, edge);
        const char *to_at = at(incident, &edge->to_place);
        const char *label = rw_thread_short_label(incident, process, thread);

        rw_append(incident, &sentence, "%s%s took %s%s while it held %s", i ? ", and " : "",
                  rw_thread_label(incident, thread), to, to_at, from);
        rw_verdict_culprit(incident, finding, process->pid, thread, i ? "other" : "actor",
                           "took %s%s while it held %s, which it had taken%s", to, to_at, from,
                           at(incident, &edge->from_place));
        add_stack(incident, finding, label, to, &edge->to_place);
        add_stack(incident, finding, label, from, &edge->from_place);
    }
    rw_append(incident, &sentence, ": had they done so at once, they would wait for each other for ever.");
    finding->sentence = sentence;
    finding->look_at = look_at(incident, ring[0]);
    finding->look_at_also = look_at(incident, ring[1]);
    if (finding->look_at && finding->look_at_also && strcmp(finding->look_at, finding->look_at_also) == 0)
        finding->look_at_also = NULL;
    rw_verdict_evidence(incident, finding,
                        "No lock that both hold and nothing that one of them waited for keeps them apart, as "
                        "far as was seen: "
                        "inferred");
    rw_verdict_evidence(
        incident, finding,
        "Possible, and not more: what one thread hands on to another by an atomic variable, a "
        "flag or a futex of the program's own is not seen; where that keeps them apart, they "
        "cannot meet");
}

void rw_rule_lock_order(struct rw_diagnosis *diagnosis)
{
    for (size_t i = 0; i < diagnosis->incident->process_count; i++)
        rw_lock_rings(&diagnosis->incident->processes[i], report, diagnosis);
}
