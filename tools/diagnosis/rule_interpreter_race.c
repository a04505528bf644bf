/* SPDX-License-Identifier: MIT */
/* An interpreter that one thread destroys while another one is at it, or in it, or left behind by it. */
#include <string.h>

#include "tools/diagnosis/misuse.h"
#include "tools/incident/model.h"
#include "tools/incident/words.h"

static char *interpreter_words(struct rw_incident *incident, const struct rw_misuse_info *misuse)
{
    return misuse->interpreter >= 0
               ? rw_words(incident, "interpreter %lld", (long long)misuse->interpreter)
               : rw_words(incident, "the interpreter at 0x%llx", (unsigned long long)misuse->object);
}

static struct rw_misuse_words tell(struct rw_incident *incident, const struct rw_misuse_story *story)
{
    const struct rw_misuse_info *misuse = story->misuse;
    char *which = interpreter_words(incident, misuse);
    struct rw_misuse_words words = {0};

    rw_append(incident, &words.sentence, "%s begins to destroy %s%s, which %s has been destroying since%s.",
              story->who, which, story->at, story->other, story->ago);
    words.did = rw_words(incident, "begins to destroy %s%s", which, story->at);
    words.other_did = rw_words(incident, "began to destroy it%s", story->ago);
    return words;
}

static struct rw_misuse_words tell_outlived(struct rw_incident *incident, const struct rw_misuse_story *story)
{
    const struct rw_misuse_info *misuse = story->misuse;
    char *which = interpreter_words(incident, misuse);
    struct rw_misuse_words words = {0};

    rw_append(
        incident, &words.sentence,
        "%s destroyed %s%s while %s, which belongs to it, was still there: it can run no Python any more.",
        story->who, which, story->at, story->other ? story->other : "a thread");
    words.did = rw_words(incident, "destroyed %s%s", which, story->at);
    words.other_did = rw_words(incident, "was created in it%s, and had not ended", story->ago);
    return words;
}

static bool destroys(const struct rw_thread *thread, int64_t interpreter)
{
    return thread->interpreter_call && strcmp(thread->interpreter_call, "destroy") == 0 &&
           thread->interpreter_call_id == interpreter;
}

static bool is_inside(const struct rw_thread *thread, int64_t interpreter)
{
    for (size_t i = 0; i < thread->python_count; i++)
        if (thread->python[i].interpreter == interpreter)
            return true;
    return destroys(thread, interpreter);
}

static void report_crash(struct rw_diagnosis *diagnosis, const struct rw_process_info *process,
                         const struct rw_thread *destroyer, const struct rw_thread *other)
{
    struct rw_incident *incident = diagnosis->incident;
    int64_t interpreter = destroyer->interpreter_call_id;
    const char *doing = destroys(other, interpreter) ? "was destroying it as well" : "was inside it";
    const struct rw_thread *crashed = process->crash->tid == destroyer->tid ? destroyer : other;
    struct rw_verdict *finding = rw_finding(diagnosis, "interpreter-race", RW_INFERRED);

    finding->sentence = rw_words(
        incident, "%s was destroying interpreter %lld%s while %s %s%s; %s died of it (%s).",
        rw_thread_label(incident, destroyer), (long long)interpreter, rw_at_place(diagnosis, destroyer),
        rw_thread_label(incident, other), doing, rw_at_place(diagnosis, other),
        rw_thread_short_label(incident, process, crashed), process->crash->name);
    rw_verdict_culprit(incident, finding, process->pid, destroyer, "actor", "was destroying interpreter %lld",
                       (long long)interpreter);
    rw_verdict_culprit(incident, finding, process->pid, other, "other", "%s", doing);
    rw_verdict_evidence(
        incident, finding,
        "Both were at that interpreter when one of them met the fatal signal: inferred, for the signal "
        "may have had another cause");
    rw_finding_place(diagnosis, finding, process, destroyer);
    rw_finding_other_side(diagnosis, finding, other);
}

/* A process that dies while one of its threads destroys an interpreter that another one is in, and one of the
 * two is who met the signal. */
static void look_at_crash(struct rw_diagnosis *diagnosis, const struct rw_process_info *process)
{
    int crashed = process->crash->tid;

    for (size_t i = 0; i < process->thread_count; i++) {
        const struct rw_thread *destroyer = &process->threads[i];

        if (!destroyer->is_alive || destroyer->interpreter_call_id < 0 ||
            !destroys(destroyer, destroyer->interpreter_call_id))
            continue;
        for (size_t j = 0; j < process->thread_count; j++) {
            const struct rw_thread *other = &process->threads[j];

            if (other == destroyer || !other->is_alive ||
                (crashed != destroyer->tid && crashed != other->tid) ||
                !is_inside(other, destroyer->interpreter_call_id))
                continue;
            report_crash(diagnosis, process, destroyer, other);
            return;
        }
    }
}

void rw_rule_interpreter_race(struct rw_diagnosis *diagnosis)
{
    rw_tell_misuses(diagnosis, "interpreter-destroyed-again", "interpreter-race", tell);
    rw_tell_misuses(diagnosis, "interpreter-outlived", "interpreter-race", tell_outlived);
    for (size_t i = 0; i < diagnosis->incident->process_count; i++)
        if (diagnosis->incident->processes[i].crash)
            look_at_crash(diagnosis, &diagnosis->incident->processes[i]);
}
