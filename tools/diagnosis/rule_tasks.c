/* SPDX-License-Identifier: MIT */
/*
 * Tasks of one event loop that wait for each other: each for a lock that the next one has, or for its end.
 * The loop's thread waits for input, as it always does between turns; so no thread waits for another one, and
 * only the tasks tell.
 */
#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "tools/diagnosis/rules.h"
#include "tools/incident/model.h"
#include "tools/incident/words.h"

#define NAMED_MEMBERS 4

struct search {
    const struct rw_process_info *process;
    const struct rw_task **by_address;
    size_t *visited; /* for each task: the walk that came to it, plus one */
};

static int compare_addresses(const void *left, const void *right)
{
    const struct rw_task *a = *(const struct rw_task *const *)left,
                         *b = *(const struct rw_task *const *)right;

    return (a->address > b->address) - (a->address < b->address);
}

/* The task that has to do something before this one can go on; NULL if that is not known. */
static const struct rw_task *next(const struct search *search, const struct rw_task *task)
{
    const struct rw_task wanted = {.address = task->held_by ? task->held_by : task->waits_for},
                         *key = &wanted;
    const struct rw_task **found;

    if (!wanted.address || !task->state || strcmp(task->state, "waiting") != 0)
        return NULL;
    found = bsearch(&key, search->by_address, search->process->task_count, sizeof key, compare_addresses);
    return found ? *found : NULL;
}

static char *place_words(struct rw_incident *incident, const struct rw_task *task)
{
    const struct rw_thread as_thread = {.python = task->frames, .python_count = task->frame_count};
    char *place = rw_place(incident, &as_thread);

    return place ? rw_words(incident, " at %s", place) : rw_words(incident, "%s", "");
}

/* "lock `b`"; " (0x7f30)" behind it where the other task calls another one so. */
static char *lock_words(struct rw_incident *incident, const struct rw_task *task, const struct rw_task *other)
{
    const char *words = task->waits_on ? task->waits_on : "a lock";

    if (!other->waits_on || strcmp(words, other->waits_on) != 0 || other->object == task->object)
        return rw_words(incident, "%s", words);
    return rw_words(incident, "%s (0x%llx)", words, (unsigned long long)task->object);
}

/* "'debit' waits for lock `b` held by 'credit' at x.py:5 in move" */
static char *wait_words(struct rw_incident *incident, const struct rw_task *task, const struct rw_task *other)
{
    const char *name = task->name ? task->name : "?", *other_name = other->name ? other->name : "?";
    char *place = place_words(incident, task);

    if (!task->held_by)
        return rw_words(incident, "'%s' waits for the end of '%s'%s", name, other_name, place);
    if (other == task)
        return rw_words(incident, "'%s' waits for %s held by itself%s", name,
                        lock_words(incident, task, other), place);
    return rw_words(incident, "'%s' waits for %s held by '%s'%s", name, lock_words(incident, task, other),
                    other_name, place);
}

/* In the order of the ring, from `first` on. */
static void report(struct rw_diagnosis *diagnosis, const struct search *search, const struct rw_task *first)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_process_info *process = search->process;
    const struct rw_thread *thread = rw_process_find_thread(process, first->tid);
    const struct rw_task *task = first;
    struct rw_verdict *finding;
    struct rw_thread at_task, at_next;
    char *sentence = NULL;
    size_t count = 0;

    if (!thread || rw_thread_is_gone(process, thread))
        return;
    finding = rw_finding(diagnosis, next(search, first) == first ? "self-deadlock" : "cycle", RW_INFERRED);
    rw_append(incident, &sentence, "Deadlock of tasks in the event loop (%s) that %s runs: ", first->library,
              rw_thread_label(incident, thread));
    do {
        const struct rw_task *other = next(search, task);

        if (count < NAMED_MEMBERS)
            rw_append(incident, &sentence, "%s%s", count ? ", and " : "", wait_words(incident, task, other));
        rw_verdict_evidence(incident, finding, "task %s%s%s: inferred%s", wait_words(incident, task, other),
                            task->taken_at ? ", taken at " : "", task->taken_at ? task->taken_at : "",
                            task->held_by ? ", from an open `async with` block" : ", from what it awaits");
        count++;
        task = other;
    } while (task != first);
    if (count > NAMED_MEMBERS)
        rw_append(incident, &sentence, ", and so on through %zu tasks", count);
    if (thread->waits_on && thread->waits_on->has_deadline)
        rw_append(incident, &sentence, "; a timer of the loop could still cancel one of them");
    rw_append(incident, &sentence, ".");
    finding->sentence = sentence;
    rw_verdict_culprit(incident, finding, process->pid, thread, "waits",
                       "runs the event loop whose tasks wait "
                       "in a ring: %s",
                       wait_words(incident, first, next(search, first)));
    at_task = at_next = *thread;
    at_task.python = first->frames;
    at_task.python_count = first->frame_count;
    at_next.python = next(search, first)->frames;
    at_next.python_count = next(search, first)->frame_count;
    rw_finding_place(diagnosis, finding, process, &at_task);
    rw_finding_other_side(diagnosis, finding, &at_next);
}

static void look_at_process(struct rw_diagnosis *diagnosis, const struct rw_process_info *process)
{
    struct search search = {.process = process};
    size_t count = process->task_count;

    search.by_address = talloc_array(diagnosis->graph, const struct rw_task *, (unsigned)count + 1);
    search.visited = talloc_zero_array(diagnosis->graph, size_t, (unsigned)count + 1);
    if (!search.by_address || !search.visited)
        abort();
    for (size_t i = 0; i < count; i++)
        search.by_address[i] = &process->tasks[i];
    qsort(search.by_address, count, sizeof *search.by_address, compare_addresses);
    /* Each task leads to one other at most: a walk that meets itself has found a ring. */
    for (size_t i = 0; i < count; i++) {
        const struct rw_task *task = &process->tasks[i];

        while (task && search.visited[task - process->tasks] == 0) {
            search.visited[task - process->tasks] = i + 1;
            task = next(&search, task);
        }
        if (task && search.visited[task - process->tasks] == i + 1)
            report(diagnosis, &search, task);
    }
    talloc_free(search.by_address);
    talloc_free(search.visited);
}

void rw_rule_tasks(struct rw_diagnosis *diagnosis)
{
    for (size_t i = 0; i < diagnosis->incident->process_count; i++)
        if (diagnosis->incident->processes[i].is_alive && diagnosis->incident->processes[i].task_count)
            look_at_process(diagnosis, &diagnosis->incident->processes[i]);
}
