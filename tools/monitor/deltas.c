/* SPDX-License-Identifier: MIT */
#include "tools/monitor/deltas.h"

#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "tools/incident/model.h"

/* A thread that waits wakes up now and then (the GIL's 5 ms loop) without getting anywhere. */
#define CPU_NOISE_SHARE 0.05

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool is_gil_wait(const struct rw_wait_on *wait)
{
    return wait != NULL && wait->kind != NULL && strcmp(wait->kind, "gil") == 0;
}

static bool same_wait(const struct rw_wait_on *a, const struct rw_wait_on *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    if (!same_text(a->kind, b->kind) || a->object != b->object)
        return false;
    return is_gil_wait(a) || a->since_ns == 0 || b->since_ns == 0 || a->since_ns == b->since_ns;
}

/* The same native place is no proof by itself, a different one is. */
static bool same_place(const struct rw_thread *a, const struct rw_thread *b)
{
    size_t frames = a->native_count < b->native_count ? a->native_count : b->native_count;
    if ((a->native_count == 0) != (b->native_count == 0))
        frames = 0;
    else if (a->native_count != b->native_count)
        return false;
    for (size_t i = 0; i < frames; i++)
        if (a->native[i].pc != b->native[i].pc)
            return false;
    if (a->python_count != b->python_count)
        return a->python_count == 0 || b->python_count == 0;
    for (size_t i = 0; i < a->python_count; i++)
        if (a->python[i].line != b->python[i].line ||
            !same_text(a->python[i].function, b->python[i].function) ||
            !same_text(a->python[i].file, b->python[i].file))
            return false;
    return true;
}

static void fill_thread(struct rw_thread *now, const struct rw_thread *before, double seconds)
{
    if (now->cpu_s >= 0 && before->cpu_s >= 0)
        now->cpu_delta_s = now->cpu_s > before->cpu_s ? now->cpu_s - before->cpu_s : 0;
    if (now->queued_s >= 0 && before->queued_s >= 0)
        now->queued_delta_s = now->queued_s > before->queued_s ? now->queued_s - before->queued_s : 0;
    if (now->transitions >= 0 && before->transitions >= 0)
        now->transitions_delta = now->transitions - before->transitions;
    if (now->switches_before >= 0 && before->switches >= 0)
        now->switches_delta = now->switches_before - before->switches;
    if (now->blocks_before >= 0 && before->blocks >= 0)
        now->blocks_delta = now->blocks_before - before->blocks;
    bool ran = now->cpu_delta_s > CPU_NOISE_SHARE * seconds;
    bool acted = now->transitions_delta > 0 && !is_gil_wait(now->waits_on);
    /* Nobody records the calls on descriptors: two that look alike may be two, but not without a switch
     * between. */
    bool woke = now->switches_delta > 0 && now->waits_on != NULL && now->waits_on->channel_count > 0;
    now->moved =
        ran || acted || woke || !same_wait(now->waits_on, before->waits_on) || !same_place(now, before);
    now->same_calls = rw_has_same_calls(now, before);
}

/* A GIL that went from no thread to another has had one holder all the time, however often that let go of it.
 */
static void fill_gil(struct rw_gil *now, const struct rw_gil *before, uint64_t before_ns)
{
    bool is_kept = now->holder_tid > 0 && now->holder_tid == before->holder_tid &&
                   now->address == before->address &&
                   now->holder_thread_state == before->holder_thread_state && now->switches != 0 &&
                   now->switches == before->switches;
    if (is_kept)
        now->kept_since_ns = before->kept_since_ns != 0 ? before->kept_since_ns : before_ns;
}

void rw_fill_deltas(struct rw_incident *incident, const struct rw_incident *before)
{
    double seconds =
        incident->now_ns > before->now_ns ? (double)(incident->now_ns - before->now_ns) / 1e9 : 0;
    incident->between_looks_s = seconds;
    for (size_t i = 0; i < incident->process_count; i++) {
        struct rw_process_info *process = &incident->processes[i];
        const struct rw_process_info *old = rw_incident_find_process(before, process->pid);
        for (size_t j = 0; old != NULL && j < process->thread_count; j++) {
            struct rw_thread *thread = &process->threads[j];
            const struct rw_thread *then = thread->tid > 0 ? rw_process_find_thread(old, thread->tid) : NULL;
            if (then != NULL)
                fill_thread(thread, then, seconds);
        }
        for (size_t j = 0; old != NULL && j < process->interpreter_count; j++)
            for (size_t k = 0; k < old->interpreter_count; k++)
                if (old->interpreters[k].address == process->interpreters[j].address)
                    fill_gil(&process->interpreters[j].gil, &old->interpreters[k].gil, before->now_ns);
    }
}

static const struct rw_thread *culprit_thread(const struct rw_incident *incident,
                                              const struct rw_culprit *culprit)
{
    const struct rw_process_info *process = rw_incident_find_process(incident, culprit->pid);
    return process != NULL ? rw_process_find_thread(process, culprit->tid) : NULL;
}

static bool has_culprit(const struct rw_verdict *verdict, const struct rw_culprit *wanted)
{
    for (size_t i = 0; i < verdict->culprit_count; i++)
        if (verdict->culprits[i].pid == wanted->pid && verdict->culprits[i].tid == wanted->tid)
            return true;
    return false;
}

bool rw_is_same_hang(const struct rw_incident *now, const struct rw_incident *before)
{
    const struct rw_verdict *verdict = &now->verdict, *old = &before->verdict;
    if (!same_text(verdict->class_name, old->class_name) || verdict->culprit_count != old->culprit_count)
        return false;
    for (size_t i = 0; i < verdict->culprit_count; i++) {
        const struct rw_culprit *culprit = &verdict->culprits[i];
        const struct rw_thread *thread = culprit_thread(now, culprit),
                               *then = culprit_thread(before, culprit);
        if (!has_culprit(old, culprit) || (thread == NULL) != (then == NULL))
            return false;
        if (thread != NULL && (thread->moved == 1 || !same_wait(thread->waits_on, then->waits_on)))
            return false;
    }
    return true;
}

static int compare_words(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char *rw_hang_key(void *parent, const struct rw_incident *incident, const struct rw_verdict *verdict)
{
    char *key = talloc_strdup(parent, verdict->class_name != NULL ? verdict->class_name : "unknown");
    /* The same two places in another process, or by other threads, are the same thing to be mended. */
    if (verdict->class_name != NULL && strcmp(verdict->class_name, "lock-order") == 0)
        return talloc_asprintf_append(key, " %s %s", verdict->look_at != NULL ? verdict->look_at : "",
                                      verdict->look_at_also != NULL ? verdict->look_at_also : "");
    char **words = talloc_array(key, char *, verdict->culprit_count);
    for (size_t i = 0; i < verdict->culprit_count; i++) {
        const struct rw_culprit *culprit = &verdict->culprits[i];
        const struct rw_thread *thread = culprit_thread(incident, culprit);
        const struct rw_wait_on *wait = thread != NULL ? thread->waits_on : NULL;
        words[i] = talloc_asprintf(words, "%d/%d/%llx", culprit->pid, culprit->tid,
                                   wait != NULL ? (unsigned long long)wait->object : 0);
    }
    /* The order in which a cycle is told depends on the thread that was looked at first. */
    qsort(words, verdict->culprit_count, sizeof(*words), compare_words);
    for (size_t i = 0; i < verdict->culprit_count; i++)
        key = talloc_asprintf_append(key, " %s", words[i]);
    if (verdict->culprit_count == 0 && incident->process_count > 0)
        key = talloc_asprintf_append(key, " process %d", incident->processes[0].pid);
    /* Not since when: a signal that is handled lets the same wait begin anew. And not the test that happens
     * to run by now: threads that an earlier one left behind hang on. */
    return talloc_asprintf_append(key, " test %s", verdict->test != NULL ? verdict->test : "");
}
