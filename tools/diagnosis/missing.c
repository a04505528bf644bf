/* SPDX-License-Identifier: MIT */
/*
 * Who might have given a signal that nobody can give any more: threads that have ended, and what an event
 * loop would have run, had its own thread not blocked in it. Nobody is blamed for it: it is only said.
 */
#include <string.h>

#include "tools/diagnosis/rules.h"
#include "tools/incident/model.h"
#include "tools/incident/words.h"

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
                    thread ? rw_thread_label(incident, thread) : rw_words(incident, "thread %d", end->tid),
                    rw_duration(incident, ago));
}
