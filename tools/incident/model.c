/* SPDX-License-Identifier: MIT */
#include "tools/incident/model.h"

#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "tools/basics/need.h"
#include "tools/incident/thread_index.h"
#include "tools/incident/words.h"

/* Returns `memory`, which must be there. */
void *rw_grow(struct rw_incident *incident, void *array, size_t count, size_t size)
{
    size_t room = array ? talloc_get_size(array) / size : 0;

    if (count >= room) {
        room = count + count / 2 + 4;
        array = rw_need(array ? talloc_realloc_size(incident, array, room * size)
                              : talloc_size(incident, room * size));
    }
    memset((char *)array + count * size, 0, size);
    return array;
}

/* Makes room for one more element; the expression is a pointer to it. */
#define APPEND(incident, array, count)                                                                       \
    ((array) = rw_grow((incident), (array), (count), sizeof *(array)), (array) + (count)++)

struct rw_incident *rw_incident_new(void *talloc_parent)
{
    struct rw_incident *incident = rw_need(talloc_zero(talloc_parent, struct rw_incident));

    incident->schema = RW_INCIDENT_SCHEMA;
    return incident;
}

struct rw_process_info *rw_incident_add_process(struct rw_incident *incident, int pid)
{
    struct rw_process_info *process = APPEND(incident, incident->processes, incident->process_count);

    process->pid = pid;
    process->ppid = -1;
    process->has_handlers = -1;
    process->index = rw_thread_index_new(incident);
    return process;
}

struct rw_process_info *rw_incident_find_process(const struct rw_incident *incident, int pid)
{
    for (size_t i = 0; i < incident->process_count; i++)
        if (incident->processes[i].pid == pid)
            return &incident->processes[i];
    return NULL;
}

static void init_thread(struct rw_thread *thread, int tid)
{
    *thread = (struct rw_thread){
        .tid = tid,
        .creator_interpreter = -1,
        .is_detached = -1,
        .is_daemon = -1,
        .interpreter_call_id = -1,
        .cpu_s = -1,
        .cpu_delta_s = -1,
        .queued_s = -1,
        .queued_delta_s = -1,
        .switches_before = -1,
        .switches = -1,
        .switches_delta = -1,
        .blocks_before = -1,
        .blocks = -1,
        .blocks_delta = -1,
        .transitions = -1,
        .transitions_delta = -1,
        .moved = -1,
        .same_calls = -1,
    };
}

struct rw_thread *rw_process_thread(struct rw_incident *incident, struct rw_process_info *process, int tid)
{
    struct rw_thread *thread = tid == 0 ? NULL : rw_process_find_thread(process, tid);

    if (thread)
        return thread;
    thread = APPEND(incident, process->threads, process->thread_count);
    if (tid != 0 && tid == process->pid) {
        memmove(process->threads + 1, process->threads, (process->thread_count - 1) * sizeof *thread);
        thread = process->threads;
    }
    init_thread(thread, tid);
    thread->is_main = tid != 0 && tid == process->pid;
    return thread;
}

struct rw_thread *rw_process_find_thread(const struct rw_process_info *process, int tid)
{
    size_t position = tid > 0 ? rw_thread_index_find(process, tid) : SIZE_MAX;

    return position != SIZE_MAX ? &process->threads[position] : NULL;
}

bool rw_process_is_elsewhere(const struct rw_process_info *process)
{
    return process->thread_count > 0 && process->threads[0].own_tid != 0;
}

struct rw_thread *rw_process_find_own_thread(const struct rw_process_info *process, int own_tid)
{
    if (!rw_process_is_elsewhere(process))
        return rw_process_find_thread(process, own_tid);
    for (size_t i = 0; own_tid > 0 && i < process->thread_count; i++)
        if (process->threads[i].own_tid == own_tid)
            return &process->threads[i];
    return NULL;
}

struct rw_task *rw_process_add_task(struct rw_incident *incident, struct rw_process_info *process)
{
    struct rw_task *task = APPEND(incident, process->tasks, process->task_count);

    task->interpreter = -1;
    return task;
}

struct rw_failed_child *rw_process_add_failed_child(struct rw_incident *incident,
                                                    struct rw_process_info *process)
{
    struct rw_failed_child *child = APPEND(incident, process->failed_children, process->failed_child_count);

    child->status = -1;
    return child;
}

struct rw_misuse_info *rw_process_add_misuse(struct rw_incident *incident, struct rw_process_info *process)
{
    struct rw_misuse_info *misuse = APPEND(incident, process->misuses, process->misuse_count);

    misuse->interpreter = -1;
    return misuse;
}

static const char *signal_name(struct rw_incident *incident, int number)
{
    const char *name = sigabbrev_np(number);
    char *text =
        name ? talloc_asprintf(incident, "SIG%s", name) : talloc_asprintf(incident, "signal %d", number);

    if (!text)
        abort();
    return text;
}

void rw_crash_name(struct rw_incident *incident, struct rw_crash *crash)
{
    crash->name = signal_name(incident, crash->signal);
}

void rw_process_add_pending_signal(struct rw_incident *incident, struct rw_process_info *process, int number,
                                   int tid)
{
    struct rw_pending_signal *pending =
        APPEND(incident, process->pending_signals, process->pending_signal_count);

    pending->signal = number;
    pending->name = signal_name(incident, number);
    pending->tid = tid;
}

struct rw_lock_edge_info *rw_process_add_lock_edge(struct rw_incident *incident,
                                                   struct rw_process_info *process)
{
    return APPEND(incident, process->lock_edges, process->lock_edge_count);
}

struct rw_python_frame *rw_lock_place_add_python(struct rw_incident *incident, struct rw_lock_place *place)
{
    return APPEND(incident, place->python, place->python_count);
}

void rw_lock_edge_add_gate(struct rw_incident *incident, struct rw_lock_edge_info *edge, uint64_t lock)
{
    struct rw_gate *gate = APPEND(incident, edge->gates, edge->gate_count);

    gate->lock = lock;
}

void rw_lock_edge_add_meeting(struct rw_incident *incident, struct rw_lock_edge_info *edge, unsigned number)
{
    struct rw_meeting *meeting = APPEND(incident, edge->meetings, edge->meeting_count);

    meeting->number = number;
}

struct rw_interpreter_info *rw_process_interpreter(struct rw_incident *incident,
                                                   struct rw_process_info *process, uint64_t address)
{
    for (size_t i = 0; i < process->interpreter_count; i++)
        if (process->interpreters[i].address == address)
            return &process->interpreters[i];

    struct rw_interpreter_info *interpreter =
        APPEND(incident, process->interpreters, process->interpreter_count);

    interpreter->id = -1;
    interpreter->address = address;
    interpreter->gil.is_enabled = -1;
    interpreter->gil.is_locked = -1;
    interpreter->gil.holder_tid = -1;
    return interpreter;
}

struct rw_interpreter_info *rw_process_find_interpreter(const struct rw_process_info *process, int64_t id)
{
    struct rw_interpreter_info *found = NULL;

    /* An id is never used twice, but a recording may hold an entry without its end: prefer the live one. */
    for (size_t i = 0; id >= 0 && i < process->interpreter_count; i++)
        if (process->interpreters[i].id == id &&
            (!found || (found->state && strcmp(found->state, "destroyed") == 0)))
            found = &process->interpreters[i];
    return found;
}

static const char *format_string(struct rw_incident *incident, const char *format, va_list arguments)
{
    return rw_need(talloc_vasprintf(incident, format, arguments));
}

static void add_note(struct rw_incident *incident, const char ***notes, size_t *count, const char *text)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp((*notes)[i], text) == 0) {
            talloc_free((void *)text);
            return;
        }
    }
    *notes = rw_grow(incident, *notes, *count, sizeof **notes);
    (*notes)[(*count)++] = text;
}

void rw_process_note(struct rw_incident *incident, struct rw_process_info *process, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    add_note(incident, &process->notes, &process->note_count, format_string(incident, format, arguments));
    va_end(arguments);
}

void rw_incident_note(struct rw_incident *incident, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    add_note(incident, &incident->notes, &incident->note_count, format_string(incident, format, arguments));
    va_end(arguments);
}

struct rw_wait_on *rw_thread_wait_on(struct rw_incident *incident, struct rw_thread *thread)
{
    if (!thread->waits_on) {
        thread->waits_on = rw_need(talloc_zero(incident, struct rw_wait_on));
        thread->waits_on->owner.tid = -1;
        thread->waits_on->owner.pid = -1;
        thread->waits_on->peer_pid = -1;
        thread->waits_on->fd = -1;
    }
    return thread->waits_on;
}

struct rw_channel *rw_wait_add_channel(struct rw_incident *incident, struct rw_wait_on *wait,
                                       const char *kind, const char *wants)
{
    struct rw_channel *channel = APPEND(incident, wait->channels, wait->channel_count);

    channel->kind = kind;
    channel->wants = wants;
    channel->fd = -1;
    channel->is_complete = -1;
    return channel;
}

void rw_channel_add_holder(struct rw_incident *incident, struct rw_channel *channel, int pid, int fd,
                           const char *name)
{
    *APPEND(incident, channel->holders, channel->holder_count) = (struct rw_holder){pid, fd, name};
}

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* How many of its innermost Python frames are the library's, called by code that is not: a loop may be seen
 * in what it calls, or between two calls. 0 where all are. */
static size_t library_frames(const struct rw_thread *thread)
{
    size_t count = 0;

    while (count < thread->python_count && rw_is_library_file(thread->python[count].file))
        count++;
    return count < thread->python_count ? count : 0;
}

bool rw_has_same_calls(const struct rw_thread *a, const struct rw_thread *b)
{
    size_t skip_a = library_frames(a), skip_b = library_frames(b);

    if (a->python_count - skip_a != b->python_count - skip_b ||
        (a->python_count == 0 && a->native_count != b->native_count))
        return false;
    for (size_t i = 0; i < a->python_count - skip_a; i++)
        if (!is_same_text(a->python[skip_a + i].function, b->python[skip_b + i].function) ||
            !is_same_text(a->python[skip_a + i].file, b->python[skip_b + i].file))
            return false;
    for (size_t i = 0; a->python_count == 0 && i < a->native_count; i++)
        if (!is_same_text(a->native[i].function, b->native[i].function) ||
            !is_same_text(a->native[i].module, b->native[i].module))
            return false;
    return a->python_count || a->native_count;
}

void rw_add_frame(struct rw_incident *incident, struct rw_thread *thread, const struct rw_frame *frame)
{
    *APPEND(incident, thread->native, thread->native_count) = *frame;
}

void rw_add_python_frame(struct rw_incident *incident, struct rw_thread *thread,
                         const struct rw_python_frame *frame)
{
    *APPEND(incident, thread->python, thread->python_count) = *frame;
}

void rw_thread_add_transition(struct rw_incident *incident, struct rw_thread *thread,
                              const struct rw_transition *transition)
{
    *APPEND(incident, thread->history, thread->history_count) = *transition;
}

void rw_process_add_transition(struct rw_incident *incident, struct rw_process_info *process,
                               const struct rw_transition *transition)
{
    *APPEND(incident, process->history, process->history_count) = *transition;
}

void rw_thread_add_state(struct rw_incident *incident, struct rw_thread *thread,
                         const struct rw_thread_state_ref *ref)
{
    *APPEND(incident, thread->thread_states, thread->thread_state_count) = *ref;
}

void rw_interpreter_add_state(struct rw_incident *incident, struct rw_interpreter_info *interpreter,
                              const struct rw_thread_state_ref *ref, int tid)
{
    size_t count = interpreter->thread_state_count;

    interpreter->thread_state_tids =
        rw_grow(incident, interpreter->thread_state_tids, count, sizeof *interpreter->thread_state_tids);
    interpreter->thread_state_tids[count] = tid;
    *APPEND(incident, interpreter->thread_states, interpreter->thread_state_count) = *ref;
}

void rw_verdict_culprit(struct rw_incident *incident, struct rw_verdict *verdict, int pid,
                        const struct rw_thread *thread, const char *role, const char *why, ...)
{
    struct rw_culprit *culprit = APPEND(incident, verdict->culprits, verdict->culprit_count);
    va_list arguments;

    culprit->pid = pid;
    culprit->tid = thread ? thread->tid : 0;
    culprit->name = thread ? thread->name : NULL;
    culprit->role = role;
    va_start(arguments, why);
    culprit->why = format_string(incident, why, arguments);
    va_end(arguments);
}

void rw_verdict_evidence(struct rw_incident *incident, struct rw_verdict *verdict, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    *APPEND(incident, verdict->evidence, verdict->evidence_count) =
        format_string(incident, format, arguments);
    va_end(arguments);
}

struct rw_verdict *rw_incident_add_also(struct rw_incident *incident)
{
    return APPEND(incident, incident->also, incident->also_count);
}

static const char *const certainty_names[] = {
    [RW_UNKNOWN] = "unknown",
    [RW_INFERRED] = "inferred",
    [RW_EXACT] = "exact",
};

const char *rw_certainty_name(enum rw_certainty certainty)
{
    return (unsigned)certainty <= RW_EXACT ? certainty_names[certainty] : certainty_names[RW_UNKNOWN];
}

enum rw_certainty rw_certainty_of(const char *name)
{
    for (int i = RW_EXACT; name && i > RW_UNKNOWN; i--)
        if (strcmp(name, certainty_names[i]) == 0)
            return i;
    return RW_UNKNOWN;
}

/* Its name is the kernel's, which is that of the program. */
static bool is_unnamed(const struct rw_thread *thread)
{
    return !thread->name || (thread->comm && strcmp(thread->name, thread->comm) == 0);
}

void rw_incident_complete_names(struct rw_incident *incident)
{
    for (size_t i = 0; i < incident->process_count; i++) {
        struct rw_process_info *process = &incident->processes[i];

        for (size_t j = 0; process->python && j < process->thread_count; j++)
            if (process->threads[j].is_main && process->threads[j].python_count &&
                is_unnamed(&process->threads[j]))
                process->threads[j].name = "MainThread";
        for (size_t j = 0; j < process->thread_count; j++) {
            struct rw_thread *thread = &process->threads[j];
            const struct rw_thread *creator =
                thread->creator_tid ? rw_process_find_thread(process, thread->creator_tid) : NULL;

            if (creator && creator->name)
                thread->creator_name = creator->name;
        }
    }
}
