/* SPDX-License-Identifier: MIT */
#include "tools/incident/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <time.h>

#include "tools/incident/model.h"
#include "tools/incident/wait_kinds.h"

#define END_OF_YEAR_9999 253402300800.0

/* The longest time between two of a GIL waiter's short waits: a second makes the recorder begin a new record.
 */
#define GIL_ROUND_NS UINT64_C(1000000000)
#define STARVED_SHARE 0.02 /* of a processor: what the rounds themselves use, and some */

char *rw_words(void *ctx, const char *format, ...)
{
    va_list arguments;
    char *text;

    va_start(arguments, format);
    text = talloc_vasprintf(ctx, format, arguments);
    va_end(arguments);
    if (!text)
        abort();
    return text;
}

void rw_append(void *ctx, char **text, const char *format, ...)
{
    va_list arguments;

    if (!*text)
        *text = talloc_strdup(ctx, "");
    va_start(arguments, format);
    *text = talloc_vasprintf_append_buffer(*text, format, arguments);
    va_end(arguments);
    if (!*text)
        abort();
}

char *rw_duration(void *ctx, double seconds)
{
    if (seconds < 0.9995)
        return rw_words(ctx, "%.0f ms", seconds * 1e3);
    if (seconds < 120)
        return rw_words(ctx, "%.1f s", seconds);
    if (seconds < 7200)
        return rw_words(ctx, "%d min %02d s", (int)(seconds / 60), (int)seconds % 60);
    return rw_words(ctx, "%.0f h %02d min", floor(seconds / 3600), (int)fmod(floor(seconds / 60), 60));
}

const char *rw_utc(void *ctx, double realtime_s)
{
    struct tm utc;
    char when[64];

    if (!(realtime_s > 0 && realtime_s < END_OF_YEAR_9999))
        return NULL;
    const time_t seconds = (time_t)realtime_s;
    if (!gmtime_r(&seconds, &utc) || strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &utc) == 0)
        return NULL;
    return rw_words(ctx, "%s", when);
}

double rw_seconds_since(const struct rw_incident *incident, uint64_t since_ns)
{
    if (since_ns == 0)
        return -1;
    /* What began after the moment of the incident has lasted no time. */
    return since_ns > incident->now_ns ? 0 : (double)(incident->now_ns - since_ns) / 1e9;
}

uint64_t rw_waits_since(const struct rw_incident *incident, const struct rw_thread *thread)
{
    const struct rw_wait_on *wait = thread->waits_on;
    const struct rw_transition *last = NULL;

    if (!wait || !wait->kind || strcmp(wait->kind, "gil") != 0)
        return wait ? wait->since_ns : 0;
    /* One that used a processor meanwhile got the GIL now and then: its rounds are not one wait. */
    if (incident->between_looks_s > 0 && thread->cpu_delta_s > incident->between_looks_s * STARVED_SHARE)
        return wait->since_ns;
    for (size_t i = 0; i < thread->history_count; i++)
        if (thread->history[i].event && strcmp(thread->history[i].event, "wait") == 0)
            last = &thread->history[i];
    /* Equal waits in a row are one record, if it goes on until now. */
    if (last && last->time_ns && last->time_ns < wait->since_ns &&
        (last->end_ns == 0 || last->end_ns + GIL_ROUND_NS >= wait->since_ns ||
         last->end_ns >= incident->now_ns))
        return last->time_ns;
    return wait->since_ns;
}

char *rw_for_how_long(void *ctx, const struct rw_incident *incident, uint64_t since_ns)
{
    double seconds = rw_seconds_since(incident, since_ns);
    char *text;

    if (seconds < 0)
        return rw_words(ctx, "%s", "");
    text = rw_duration(ctx, seconds);
    return rw_words(ctx, " for %s", text);
}

static char *bare_label(void *ctx, const struct rw_thread *thread)
{
    if (!thread->name || !thread->name[0])
        return thread->is_main ? rw_words(ctx, "the main thread") : rw_words(ctx, "thread %d", thread->tid);
    if (strcmp(thread->name, "MainThread") == 0)
        return rw_words(ctx, "MainThread");
    return rw_words(ctx, "'%s'", thread->name);
}

char *rw_thread_label(void *ctx, const struct rw_thread *thread)
{
    char *label;

    if ((!thread->name || !thread->name[0]) && !thread->is_main)
        return bare_label(ctx, thread);
    label = bare_label(ctx, thread);
    if (thread->is_main && (!thread->name || strcmp(thread->name, "MainThread") != 0) && thread->name)
        return rw_words(ctx, "%s (main thread, tid %d)", label, thread->tid);
    return rw_words(ctx, "%s (tid %d)", label, thread->tid);
}

char *rw_gone_thread_label(void *ctx, const struct rw_transition *transition)
{
    return transition->name ? rw_words(ctx, "'%s' (tid %d)", transition->name, transition->tid)
                            : rw_words(ctx, "thread %d", transition->tid);
}

static bool has_namesake(const struct rw_process_info *process, const struct rw_thread *thread)
{
    for (size_t i = 0; thread->name && i < process->thread_count; i++) {
        const struct rw_thread *other = &process->threads[i];

        if (other->tid != thread->tid && other->name && strcmp(other->name, thread->name) == 0)
            return true;
    }
    return false;
}

char *rw_thread_short_label(void *ctx, const struct rw_process_info *process, const struct rw_thread *thread)
{
    if (!has_namesake(process, thread))
        return bare_label(ctx, thread);
    return thread->is_main ? rw_words(ctx, "the main thread") : rw_thread_label(ctx, thread);
}

/* A name is one that a frame gives: two frames may call two locks by one name. */
static bool is_ambiguous(const struct rw_process_info *process, const struct rw_wait_on *wait)
{
    for (size_t i = 0; wait->object && i < process->thread_count; i++) {
        const struct rw_wait_on *other = process->threads[i].waits_on;

        if (other && other->name && other->object != wait->object && strcmp(other->name, wait->name) == 0)
            return true;
    }
    return false;
}

char *rw_object_words(void *ctx, const struct rw_process_info *process, const struct rw_wait_on *wait)
{
    const struct rw_wait_kind *kind = rw_wait_kind_of(wait);

    if (wait->fd >= 0 || kind->ends == RW_ENDS_BY_INPUT) {
        if (wait->fd >= 0 && wait->name)
            return rw_words(ctx, "fd %d (%s)", wait->fd, wait->name);
        if (wait->fd >= 0)
            return rw_words(ctx, "fd %d", wait->fd);
        return rw_words(ctx, "%s", wait->name ? wait->name : "");
    }
    if (wait->name && kind->kind && strcmp(kind->kind, "libc-lock") == 0)
        return rw_words(ctx, "%s", wait->name); /* no name that stands in the program */
    if (wait->name) {
        /* "mutex cache_lock", "condition 0x55d0": the phrase before it has said what it is. */
        const char *space = strchr(wait->name, ' ');
        const char *bare = space && !strchr(space + 1, ' ') && wait->name[0] != '\'' ? space + 1 : wait->name;
        size_t length = kind->kind ? strlen(kind->kind) : 0;

        /* "rwlock table_lock for writing" */
        if (bare == wait->name && length && strncmp(bare, kind->kind, length) == 0 && bare[length] == ' ') {
            bare += length + 1;
            length = strcspn(bare, " ");
            return strncmp(bare, "0x", 2) == 0 ? rw_words(ctx, "%s", bare)
                                               : rw_words(ctx, "`%.*s`%s", (int)length, bare, bare + length);
        }
        if (strncmp(bare, "0x", 2) != 0 && is_ambiguous(process, wait))
            return rw_words(ctx, "`%s` (0x%llx)", bare, (unsigned long long)wait->object);
        return strncmp(bare, "0x", 2) == 0 ? rw_words(ctx, "%s", bare) : rw_words(ctx, "`%s`", bare);
    }
    if (wait->object)
        return rw_words(ctx, "0x%llx", (unsigned long long)wait->object);
    return rw_words(ctx, "%s", "");
}

/* The call as the program wrote it, where it says more than the kind. */
static const char *call_of(const struct rw_wait_on *wait)
{
    return wait->call ? wait->call : wait->kind ? wait->kind : "a call";
}

static char *input_words(void *ctx, const struct rw_process_info *process, const struct rw_wait_on *wait)
{
    char *object = rw_object_words(ctx, process, wait);

    if (strcmp(wait->kind, "process") == 0) {
        if (wait->peer_pid > 0)
            return rw_words(ctx, "waits for child process %d to end", wait->peer_pid);
        return rw_words(ctx, "waits for a child process to end");
    }
    if (strcmp(wait->kind, "signal") == 0)
        return rw_words(ctx, "waits for %s (%s)", object[0] ? object : "a signal", call_of(wait));
    return rw_words(ctx, "waits in %s%s%s", call_of(wait), object[0] ? " on " : "", object);
}

static char *bare_wait_words(void *ctx, const struct rw_process_info *process, const struct rw_wait_on *wait)
{
    const struct rw_wait_kind *kind = rw_wait_kind_of(wait);
    const struct rw_thread *owner;
    const char *does;
    char *object;

    switch (kind->ends) {
    case RW_ENDS_BY_EXIT:
    case RW_ENDS_BY_BEGIN:
        owner = rw_process_find_thread(process, wait->owner.tid);
        does = kind->ends == RW_ENDS_BY_EXIT ? "end" : "begin";
        if (owner)
            return rw_words(ctx, "waits for %s to %s (%s)", rw_thread_label(ctx, owner), does, call_of(wait));
        if (wait->owner.tid > 0)
            return rw_words(ctx, "waits for thread %d to %s (%s)", wait->owner.tid, does, call_of(wait));
        return rw_words(ctx, "%s (%s)", kind->phrase, call_of(wait));
    case RW_ENDS_BY_INPUT:
        return input_words(ctx, process, wait);
    case RW_ENDS_BY_TIME:
        if (wait->has_deadline && wait->deadline_in_s > 0)
            return rw_words(ctx, "sleeps (%s more)", rw_duration(ctx, wait->deadline_in_s));
        return rw_words(ctx, "sleeps");
    case RW_ENDS_NEVER:
        return rw_words(ctx, "%s", kind->phrase);
    case RW_ENDS_UNKNOWN:
        if (!kind->kind || strcmp(kind->kind, "syscall") == 0)
            return rw_words(ctx, "waits in %s%s%s", call_of(wait), wait->name ? " of " : "",
                            wait->name ? wait->name : "");
        if (wait->call && strcmp(kind->kind, "futex") == 0 && strcmp(wait->call, "futex") != 0)
            return rw_words(ctx, "waits in %s on futex %s", wait->call, rw_object_words(ctx, process, wait));
        break;
    case RW_ENDS_BY_RELEASE:
        if (strcmp(kind->kind, "gil") == 0)
            return rw_words(ctx, "%s", kind->phrase);
        break;
    case RW_ENDS_BY_SIGNAL:
        break;
    }
    object = rw_object_words(ctx, process, wait);
    /* Who waits for items, and who waits for them to be done, wait for different threads. */
    if (kind->kind && strcmp(kind->kind, "queue") == 0 && wait->call && strcmp(wait->call, "Queue.join") == 0)
        return rw_words(ctx, "waits for task_done() of queue %s", object);
    /* A program sees the future, and not the condition in it. */
    if (wait->call && strncmp(wait->call, "Future.", strlen("Future.")) == 0)
        return rw_words(ctx, "waits for the result of future %s", object);
    return rw_words(ctx, "%s%s%s", kind->phrase, object[0] ? " " : "", object);
}

char *rw_wait_words(void *ctx, const struct rw_process_info *process, const struct rw_wait_on *wait)
{
    char *text = bare_wait_words(ctx, process, wait);

    /* A wait for the GIL is a loop of short ones: its time limit means nothing. */
    if (wait->has_deadline && rw_wait_kind_of(wait)->ends != RW_ENDS_BY_TIME &&
        !(wait->kind && strcmp(wait->kind, "gil") == 0)) {
        if (wait->deadline_in_s > 0)
            rw_append(ctx, &text, " (%s more at most)", rw_duration(ctx, wait->deadline_in_s));
        else
            rw_append(ctx, &text, " (with a time limit)");
    }
    return text;
}

char *rw_doing_words(void *ctx, const struct rw_process_info *process, const struct rw_thread *thread)
{
    char *text = NULL;

    if (thread->state && strcmp(thread->state, "new") == 0 && thread->tid == 0)
        return rw_words(ctx, "has not run yet");
    if (rw_thread_is_gone(process, thread))
        return rw_words(ctx, "has ended");
    if (thread->interpreter_call && strcmp(thread->interpreter_call, "finalize") == 0)
        rw_append(ctx, &text, "is finalising Python and ");
    else if (thread->interpreter_call && thread->interpreter_call_id >= 0)
        rw_append(ctx, &text, "is %s interpreter %lld and ",
                  strcmp(thread->interpreter_call, "new") == 0 ? "making" : "destroying",
                  (long long)thread->interpreter_call_id);
    else if (thread->interpreter_call)
        rw_append(ctx, &text, "is %s an interpreter and ",
                  strcmp(thread->interpreter_call, "new") == 0 ? "making" : "destroying");
    if (process->crash && process->crash->tid == thread->tid)
        rw_append(ctx, &text, "dies of %s", process->crash->name);
    else if (thread->os_state == 'T' || thread->os_state == 't')
        rw_append(ctx, &text, "is stopped by a signal or a debugger");
    else if (thread->waits_on)
        rw_append(ctx, &text, "%s", rw_wait_words(ctx, process, thread->waits_on));
    else if (thread->os_state == 'R')
        rw_append(ctx, &text, "runs");
    else if (thread->os_state == 'D')
        rw_append(ctx, &text, "is inside the kernel and cannot be interrupted");
    else if (thread->os_state == 'S')
        rw_append(ctx, &text, "waits for something that could not be read");
    else
        rw_append(ctx, &text, "%s",
                  thread->state && strcmp(thread->state, "running") == 0 ? "runs"
                                                                         : "is in a state that is not known");
    return text;
}

bool rw_thread_is_gone(const struct rw_process_info *process, const struct rw_thread *thread)
{
    static const char *const ends[] = {"exited", "joined", "detached"};

    if (thread->is_alive)
        return thread->os_state == 'Z' || thread->os_state == 'X';
    for (size_t i = 0; thread->state && i < sizeof ends / sizeof *ends; i++)
        if (strcmp(thread->state, ends[i]) == 0)
            return true;
    /* Of a process that is gone the recording tells how its threads stood when it went. */
    return process->is_alive && thread->tid != 0;
}

bool rw_is_race_class(const char *class_name)
{
    static const char *const classes[] = {"late-thread",      "interpreter-race", "bad-join",
                                          "destroyed-in-use", "foreign-unlock",   "fork-with-lock",
                                          "lock-order"};

    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (class_name && strcmp(class_name, classes[i]) == 0)
            return true;
    return false;
}
