/* SPDX-License-Identifier: MIT */
#include "tools/diagnosis/misuse.h"

#include <string.h>
#include <talloc.h>

#include "tools/incident/model.h"
#include "tools/incident/words.h"

/* What came to nothing was none. What became of a late thread is known when the program has ended by itself.
 */
static bool stands(const struct rw_process_info *process, const struct rw_misuse_info *misuse)
{
    if (!misuse->outcome || strcmp(misuse->outcome, "well") == 0)
        return false;
    return strcmp(misuse->kind, "late-thread") != 0 || (!process->is_alive && process->exit_begin_ns);
}

/* The thread as the recording called it then: its number may be another's by now. */
static struct rw_thread as_it_was(const struct rw_process_info *process, int tid, const char *name)
{
    const struct rw_thread *now = rw_process_find_thread(process, tid);
    struct rw_thread was = {.tid = tid, .name = name, .is_main = tid == process->pid};

    if (now && now->is_main)
        was.name = now->name;
    return was;
}

static const char *at_words(struct rw_incident *incident, const char *where)
{
    return where ? rw_words(incident, " at %s", where) : "";
}

char *rw_short_time(struct rw_incident *incident, uint64_t from_ns, uint64_t to_ns)
{
    double seconds = to_ns > from_ns ? (double)(to_ns - from_ns) / 1e9 : 0;

    return seconds < 1e-3 ? rw_words(incident, "%.0f us", seconds * 1e6) : rw_duration(incident, seconds);
}

static const char *ago_words(struct rw_incident *incident, const struct rw_misuse_info *misuse)
{
    if (!misuse->other_ns || misuse->other_ns > misuse->time_ns)
        return "";
    return rw_words(incident, " %s before", rw_short_time(incident, misuse->other_ns, misuse->time_ns));
}

char *rw_misuse_object(struct rw_incident *incident, const char *what, const struct rw_misuse_info *misuse)
{
    if (misuse->variable)
        return rw_words(incident, "%s `%s`", what, misuse->variable);
    return rw_words(incident, "%s 0x%llx", what, (unsigned long long)misuse->object);
}

/* A place that a person can go and see. */
static bool is_file_place(const char *where)
{
    return where && strstr(where, " in ") && strchr(where, ':');
}

static void place(struct rw_verdict *finding, const struct rw_misuse_info *misuse)
{
    if (is_file_place(misuse->where))
        finding->look_at = misuse->where;
    if (!is_file_place(misuse->other_where) ||
        (finding->look_at && strcmp(finding->look_at, misuse->other_where) == 0))
        return;
    if (finding->look_at)
        finding->look_at_also = misuse->other_where;
    else
        finding->look_at = misuse->other_where;
}

static void add_evidence(struct rw_diagnosis *diagnosis, struct rw_verdict *finding,
                         const struct rw_misuse_story *story)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_misuse_info *misuse = story->misuse;

    rw_verdict_evidence(incident, finding,
                        "The call was seen as it was made, %s before this report%s%s: exact",
                        rw_duration(incident, rw_seconds_since(incident, misuse->time_ns)),
                        misuse->where ? ", from " : "", misuse->where ? misuse->where : "");
    if (misuse->other_where)
        rw_verdict_evidence(incident, finding, "The other side of it: %s", misuse->other_where);
    if (misuse->count > 1)
        rw_verdict_evidence(incident, finding, "The same was done from these two places %u times",
                            misuse->count);
}

static void report(struct rw_diagnosis *diagnosis, const struct rw_process_info *process,
                   const struct rw_misuse_info *misuse, const char *class_name, rw_tell_misuse *tell)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_thread who = as_it_was(process, misuse->tid, misuse->name);
    const struct rw_thread other = as_it_was(process, misuse->other_tid, misuse->other_name);
    const struct rw_misuse_story story = {
        .misuse = misuse,
        .process = process,
        .who = rw_thread_label(incident, &who),
        .other = misuse->other_tid ? rw_thread_label(incident, &other) : NULL,
        .at = at_words(incident, misuse->where),
        .other_at = at_words(incident, misuse->other_where),
        .ago = ago_words(incident, misuse),
    };
    struct rw_verdict *finding = rw_finding(diagnosis, class_name, RW_EXACT);
    const struct rw_misuse_words words = tell(incident, &story);

    finding->sentence = words.sentence;
    rw_verdict_culprit(incident, finding, process->pid, &who, "actor", "%s", words.did);
    if (words.other_did && misuse->other_tid)
        rw_verdict_culprit(incident, finding, process->pid, &other, "other", "%s", words.other_did);
    add_evidence(diagnosis, finding, &story);
    place(finding, misuse);
    finding->test = rw_running_test(process);
}

void rw_tell_misuses(struct rw_diagnosis *diagnosis, const char *kind, const char *class_name,
                     rw_tell_misuse *tell)
{
    for (size_t i = 0; i < diagnosis->incident->process_count; i++) {
        const struct rw_process_info *process = &diagnosis->incident->processes[i];

        for (size_t j = 0; j < process->misuse_count; j++)
            if (process->misuses[j].kind && strcmp(process->misuses[j].kind, kind) == 0 &&
                stands(process, &process->misuses[j]))
                report(diagnosis, process, &process->misuses[j], class_name, tell);
    }
}
