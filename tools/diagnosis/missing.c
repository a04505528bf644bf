/* SPDX-License-Identifier: MIT */
/*
 * Who might have given a signal that nobody can give any more: threads that have ended, and what an event
 * loop would have run, had its own thread not blocked in it. Nobody is blamed for it: it is only said.
 */
#include <string.h>

#include "tools/diagnosis/rules.h"
#include "tools/diagnosis/stuck.h"
#include "tools/incident/model.h"
#include "tools/incident/wait_kinds.h"
#include "tools/incident/words.h"

#define CHILDREN_NAMED 3
#define TASKS_NAMED 2

void rw_tell_blocked_loop(struct rw_diagnosis *diagnosis, const struct rw_process_info *process,
                          const struct rw_thread *thread, char **sentence)
{
    for (size_t i = 0; i < process->task_count; i++) {
        const struct rw_task *task = &process->tasks[i];

        if (task->tid != thread->tid || !task->state || strcmp(task->state, "running") != 0)
            continue;
        rw_append(diagnosis->incident, sentence,
                  ", and so blocks the event loop (%s) that it runs, inside task '%s'", task->library,
                  task->name ? task->name : "?");
        return;
    }
}

/* "'consumer' for asyncio.Future at x.py:4 in consume" */
static void append_task(struct rw_incident *incident, char **sentence, const struct rw_task *task)
{
    const struct rw_thread as_thread = {.python = task->frames, .python_count = task->frame_count};
    char *place = rw_place(incident, &as_thread);

    rw_append(incident, sentence, "'%s'%s%s%s%s%s", task->name ? task->name : "?",
              task->waits_on ? " for " : "", task->waits_on ? task->waits_on : "", place ? " at " : "",
              place ? place : "",
              !task->cancelled                           ? ""
              : strcmp(task->cancelled, "shielded") == 0 ? ", where a shield keeps a cancellation from it"
                                                         : ", though it was cancelled");
}

static bool is_in_own_code(const struct rw_task *task)
{
    for (size_t i = 0; i < task->frame_count; i++)
        if (!task->frames[i].is_torn && !rw_is_library_file(task->frames[i].file))
            return true;
    return false;
}

/* Whom a cancellation does not reach holds up all others that it should end; and one that goes on though it
 * was cancelled is more than one that waits. A library's own tasks ("<init>" of trio's) come last. */
static int rank_of(const struct rw_task *task)
{
    if (task->cancelled)
        return strcmp(task->cancelled, "shielded") == 0 ? 4 : 3;
    return is_in_own_code(task) ? 2 : task->name && task->name[0] != '<';
}

bool rw_is_loop_asleep(const struct rw_process_info *process, const struct rw_thread *thread)
{
    const struct rw_wait_on *wait = thread->waits_on;
    size_t count = 0;

    if (!wait || wait->channel_count == 0 || rw_wait_kind_of(wait)->ends != RW_ENDS_BY_INPUT)
        return false;
    for (size_t i = 0; i < wait->channel_count; i++)
        if (!rw_is_held_by(&wait->channels[i], process->pid) ||
            rw_is_held_by_others(&wait->channels[i], process->pid))
            return false;
    for (size_t i = 0; i < process->task_count; i++) {
        if (process->tasks[i].tid != thread->tid)
            continue;
        if (!process->tasks[i].state || strcmp(process->tasks[i].state, "waiting") != 0)
            return false;
        count++;
    }
    return count > 0;
}

void rw_tell_waiting_tasks(struct rw_diagnosis *diagnosis, const struct rw_process_info *process,
                           const struct rw_thread *thread, char **sentence)
{
    const struct rw_task *named[TASKS_NAMED];
    size_t count = 0;

    for (size_t i = 0; i < process->task_count; i++) {
        const struct rw_task *task = &process->tasks[i];

        if (task->tid != thread->tid)
            continue;
        if (!task->state || strcmp(task->state, "waiting") != 0)
            return; /* there is something to do: the loop is not the place to look at */
        size_t place = count < TASKS_NAMED ? count : TASKS_NAMED;

        for (; place > 0 && rank_of(task) > rank_of(named[place - 1]); place--)
            if (place < TASKS_NAMED)
                named[place] = named[place - 1];
        if (place < TASKS_NAMED)
            named[place] = task;
        count++;
    }
    if (count == 0)
        return;
    rw_append(diagnosis->incident, sentence,
              "; the event loop (%s) that it runs has %zu task%s, waiting: ", named[0]->library, count,
              count > 1 ? "s" : "");
    for (size_t i = 0; i < count && i < TASKS_NAMED; i++) {
        rw_append(diagnosis->incident, sentence, "%s", i ? ", " : "");
        append_task(diagnosis->incident, sentence, named[i]);
    }
    rw_append(diagnosis->incident, sentence, "%s", count > TASKS_NAMED ? ", ..." : "");
}

/* A child that failed while others waited, or just before, may have been what they wait for. */
#define BEFORE_NS 1000000000u

static char *how_it_ended(struct rw_incident *incident, const struct rw_failed_child *child)
{
    const char *name = child->signal ? sigabbrev_np(child->signal) : NULL;

    if (name)
        return rw_words(incident, "was ended by SIG%s", name);
    if (child->signal)
        return rw_words(incident, "was ended by signal %d", child->signal);
    if (child->status >= 0)
        return rw_words(incident, "exited with status %d", child->status);
    return rw_words(incident, "%s", "ended by a signal, or without exit(),");
}

char *rw_failed_child_words(struct rw_diagnosis *diagnosis, const struct rw_process_info *process,
                            uint64_t since_ns)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_failed_child *child =
        process->failed_child_count ? &process->failed_children[process->failed_child_count - 1] : NULL;

    if (!child || !since_ns || child->ended_ns + BEFORE_NS < since_ns)
        return NULL;
    return rw_words(incident, "its child process %d %s %s ago", child->pid, how_it_ended(incident, child),
                    rw_duration(incident, rw_seconds_since(incident, child->ended_ns)));
}

void rw_tell_failed_children(struct rw_diagnosis *diagnosis, struct rw_verdict *finding)
{
    struct rw_incident *incident = diagnosis->incident;

    for (size_t i = 0; i < incident->process_count; i++) {
        const struct rw_process_info *process = &incident->processes[i];
        size_t count = process->failed_child_count;
        bool is_concerned = false;

        for (size_t j = 0; j < finding->culprit_count; j++)
            is_concerned |= finding->culprits[j].pid == process->pid;
        for (size_t j = count > CHILDREN_NAMED ? count - CHILDREN_NAMED : 0; is_concerned && j < count; j++)
            rw_verdict_evidence(
                incident, finding, "child process %d (%s) of process %d %s %s ago",
                process->failed_children[j].pid,
                process->failed_children[j].name ? process->failed_children[j].name : "?", process->pid,
                how_it_ended(incident, &process->failed_children[j]),
                rw_duration(incident, rw_seconds_since(incident, process->failed_children[j].ended_ns)));
    }
}

/* The last of its kind; NULL if there is none. */
static const struct rw_transition *last_end(const struct rw_process_info *process, size_t *count)
{
    const struct rw_transition *last = NULL;

    *count = 0;
    for (size_t i = 0; i < process->history_count; i++) {
        const struct rw_transition *transition = &process->history[i];

        if (!transition->event || strcmp(transition->event, "thread-exit") != 0)
            continue;
        ++*count;
        if (!last || transition->time_ns >= last->time_ns)
            last = transition;
    }
    return last;
}

char *rw_last_ended_words(struct rw_diagnosis *diagnosis, const struct rw_process_info *process)
{
    struct rw_incident *incident = diagnosis->incident;
    size_t count;
    const struct rw_transition *end = last_end(process, &count);
    const struct rw_thread *thread = end ? rw_process_find_thread(process, end->tid) : NULL;
    double ago = end ? rw_seconds_since(incident, end->time_ns) : -1;

    if (ago < 0)
        return NULL;
    return rw_words(incident, count > 1 ? "the last to end, %s, ended %s ago" : "%s ended %s ago",
                    thread ? rw_thread_label(incident, thread) : rw_gone_thread_label(incident, end),
                    rw_duration(incident, ago));
}
