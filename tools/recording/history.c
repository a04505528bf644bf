/* SPDX-License-Identifier: MIT */
/* A thread's transitions as sentences for people. */
#include "tools/recording/model_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

/* A process with thousands of threads has more history than anybody reads; each thread keeps its own. */
#define PROCESS_HISTORY_MAX 2000

/* What the wording of one event needs besides it. */
struct telling {
    struct rw_fill *fill;
    const struct rw_slot *slot; /* whose event it is */
    const struct rw_event *event;
    uint64_t join_begin_ns; /* of the join that this join-end ends; 0 if its begin is lost */
};

static const char *quoted_test(const struct telling *telling)
{
    struct rw_fill *fill = telling->fill;
    struct rw_test test;
    int error = rw_reader_test(fill->reader, telling->event->arg, &test);
    if (error != 0 && error != -EAGAIN)
        return rw_need(talloc_asprintf(fill->incident, "test %" PRIu64, telling->event->arg));
    return rw_need(talloc_asprintf(fill->incident, "test %" PRIu64 " '%s'", telling->event->arg, test.name));
}

static const char *interpreter(const struct telling *telling)
{
    const struct rw_event *event = telling->event;
    struct rw_fill *fill = telling->fill;
    int64_t id = rw_fill_interpreter_id(fill, event->object, event->arg, event->time_ns);
    if (id >= 0)
        return rw_need(talloc_asprintf(fill->incident, "interpreter %" PRId64, id));
    return rw_need(talloc_asprintf(fill->incident, "the interpreter at 0x%" PRIx64, event->object));
}

static const char *thread_of(const struct telling *telling, uint64_t at_ns)
{
    const struct rw_slot *slot = rw_fill_slot_of_pthread(telling->fill, telling->event->object, at_ns);
    return rw_fill_thread_text(telling->fill, slot, telling->event->object);
}

/* The new thread may be known by the slot that it got; its pthread_t may have been used again. */
static const char *created_thread(const struct telling *telling)
{
    uint64_t arg = telling->event->arg;
    const struct rw_slot *slot = rw_fill_slot_of(telling->fill, (uint32_t)arg, (uint32_t)(arg >> 32));
    return rw_fill_thread_text(telling->fill, slot, telling->event->object);
}

/* `text`, and the error's meaning where the call failed. */
static char *with_result(const struct telling *telling, const char *text, uint64_t error)
{
    void *ctx = telling->fill->incident;
    if (error == 0)
        return rw_need(talloc_strdup(ctx, text));
    if (error > 4095)
        return rw_need(talloc_asprintf(ctx, "%s: failed", text));
    return rw_need(talloc_asprintf(ctx, "%s: failed (%s)", text, strerror((int)error)));
}

static char *new_process(const struct telling *telling, const char *verb)
{
    void *ctx = telling->fill->incident;
    int64_t result = (int64_t)telling->event->arg;
    if (result > 0)
        return rw_need(talloc_asprintf(ctx, "%s process %" PRId64, verb, result));
    return rw_need(talloc_asprintf(ctx, "%s no process: %s", verb, strerror((int)(-result & 4095))));
}

static char *duration(void *ctx, uint64_t ns)
{
    if (ns < UINT64_C(1000000))
        return rw_need(talloc_asprintf(ctx, "%.3g us", (double)ns / 1e3));
    if (ns < UINT64_C(1000000000))
        return rw_need(talloc_asprintf(ctx, "%.3g ms", (double)ns / 1e6));
    return rw_need(talloc_asprintf(ctx, "%.1f s", (double)ns / 1e9));
}

static char *tell_wait(const struct telling *telling)
{
    struct rw_fill *fill = telling->fill;
    const struct rw_event *event = telling->event;
    void *ctx = fill->incident;
    uint32_t result = (uint32_t)(event->arg >> 32);
    const char *object = rw_fill_wait_text(fill, (uint32_t)event->arg, event->object, event->time_ns);
    if (event->end_ns == 0 && event->count > 1)
        return rw_need(
            talloc_asprintf(ctx, "waits for %s, %" PRIu32 " times in a row", object, event->count));
    if (event->end_ns == 0)
        return rw_need(talloc_asprintf(ctx, "waits for %s", object));
    char *length = duration(ctx, event->end_ns > event->time_ns ? event->end_ns - event->time_ns : 0);
    char *text = event->count > 1 ? talloc_asprintf(ctx, "waited for %s %" PRIu32 " times within %s", object,
                                                    event->count, length)
                                  : talloc_asprintf(ctx, "waited for %s for %s", object, length);
    if (result != 0 && result <= 4095)
        text = talloc_asprintf_append(rw_need(text), ": %s", strerror((int)result));
    return rw_need(text);
}

static char *tell(const struct telling *telling)
{
    const struct rw_event *event = telling->event;
    void *ctx = telling->fill->incident;
    switch (event->kind) {
    case RW_EVENT_THREAD_CREATE:
        return talloc_asprintf(ctx, "creates %s", created_thread(telling));
    case RW_EVENT_THREAD_START: {
        const char *routine = rw_fill_describe(telling->fill, event->object);
        return routine != NULL ? talloc_asprintf(ctx, "starts in %s", routine)
                               : talloc_asprintf(ctx, "starts in 0x%" PRIx64, event->object);
    }
    case RW_EVENT_THREAD_EXIT:
        return talloc_strdup(ctx, event->arg == 1 ? "ends by pthread_exit or cancellation" : "ends");
    case RW_EVENT_THREAD_JOIN_BEGIN:
        return talloc_asprintf(ctx, "begins to join %s", thread_of(telling, event->time_ns));
    case RW_EVENT_THREAD_JOIN_END:
        return with_result(
            telling,
            talloc_asprintf(
                ctx, "joined %s",
                thread_of(telling, telling->join_begin_ns != 0 ? telling->join_begin_ns : event->time_ns)),
            event->arg);
    case RW_EVENT_THREAD_DETACH:
        return with_result(telling, talloc_asprintf(ctx, "detaches %s", thread_of(telling, event->time_ns)),
                           event->arg);
    case RW_EVENT_THREAD_RENAME:
        if (event->object == 0 || event->object == telling->slot->pthread)
            return talloc_asprintf(ctx, "renames itself (it is '%s' now)", telling->slot->name);
        return talloc_asprintf(ctx, "renames %s", thread_of(telling, event->time_ns));
    case RW_EVENT_INTERPRETER_NEW_BEGIN:
        return talloc_strdup(ctx, "begins to make an interpreter");
    case RW_EVENT_INTERPRETER_NEW_END:
        return event->object != 0 ? talloc_asprintf(ctx, "made %s", interpreter(telling))
                                  : talloc_strdup(ctx, "made no interpreter: it failed");
    case RW_EVENT_INTERPRETER_DESTROY_BEGIN:
        return talloc_asprintf(ctx, "begins to destroy %s", interpreter(telling));
    case RW_EVENT_INTERPRETER_DESTROY_END:
        return talloc_asprintf(ctx, "destroyed %s", interpreter(telling));
    case RW_EVENT_FINALIZE_BEGIN:
        return talloc_strdup(ctx, "begins to finalise Python");
    case RW_EVENT_FINALIZE_END:
        return talloc_strdup(ctx, "finalised Python");
    case RW_EVENT_MAIN_RETURNED:
        return talloc_asprintf(ctx, "main returned %" PRId32, (int32_t)event->arg);
    case RW_EVENT_EXIT_BEGIN:
        return talloc_asprintf(ctx, "begins to exit, status %" PRId32, (int32_t)event->arg);
    case RW_EVENT_FORK:
        return new_process(telling, "forked");
    case RW_EVENT_FORKED:
        return talloc_asprintf(ctx, "was forked by process %" PRIu64, event->arg);
    case RW_EVENT_SPAWN:
        return new_process(telling, "spawned");
    case RW_EVENT_EXEC:
        return talloc_strdup(ctx, "begins to execute another program");
    case RW_EVENT_EXEC_FAILED:
        return talloc_asprintf(ctx, "could not execute the other program: %s",
                               strerror((int)(event->arg & 4095)));
    case RW_EVENT_LIBRARY_LOADED:
        return talloc_asprintf(ctx, "calls dlopen, for the %" PRIu64 "%s time in this process", event->arg,
                               event->arg == 1   ? "st"
                               : event->arg == 2 ? "nd"
                               : event->arg == 3 ? "rd"
                                                 : "th");
    case RW_EVENT_TEST_BEGIN:
        return talloc_asprintf(ctx, "begins %s", quoted_test(telling));
    case RW_EVENT_TEST_PHASE: {
        const char *phase =
            event->object <= RW_PHASE_TEARDOWN ? rw_test_phase_word((uint32_t)event->object) : NULL;
        return talloc_asprintf(ctx, "enters the %s of %s", phase != NULL ? phase : "next phase",
                               quoted_test(telling));
    }
    case RW_EVENT_TEST_END:
        return talloc_asprintf(ctx, "ends %s", quoted_test(telling));
    case RW_EVENT_WAIT:
        return tell_wait(telling);
    default:
        return NULL; /* not reached: such events have no word, and are left out */
    }
}

void rw_fill_history(struct rw_fill *fill, unsigned index, struct rw_thread *thread)
{
    const struct rw_slot *slot = &fill->slots[index];
    struct rw_history history;
    int error = rw_reader_history(fill->reader, index, slot, &history);
    if (error != 0 && error != -EAGAIN)
        return;
    struct telling telling = {.fill = fill, .slot = slot};
    uint64_t joined_pthread = 0, join_begin_ns = 0;
    const char *name = slot->name[0] != '\0' ? rw_need(talloc_strdup(fill->incident, slot->name)) : NULL;
    size_t first = history.count > fill->history_max ? history.count - fill->history_max : 0;
    for (size_t i = first; i < history.count; i++) {
        const struct rw_event *event = &history.events[i];
        const char *word = rw_event_word(event->kind);
        if (word == NULL || (event->kind == RW_EVENT_WAIT && thread == NULL))
            continue;
        telling.event = event;
        telling.join_begin_ns = event->object == joined_pthread ? join_begin_ns : 0;
        const struct rw_transition transition = {
            .time_ns = event->time_ns,
            .end_ns = event->kind == RW_EVENT_WAIT ? event->end_ns : 0,
            .count = event->count != 0 ? event->count : 1,
            .tid = slot->tid,
            .name = thread == NULL ? name : NULL,
            .event = word,
            .detail = rw_need(tell(&telling)),
            .where = rw_fill_describe(fill, event->return_address),
        };
        if (thread != NULL)
            rw_thread_add_transition(fill->incident, thread, &transition);
        if (event->kind != RW_EVENT_WAIT)
            rw_process_add_transition(fill->incident, fill->process, &transition);
        if (event->kind == RW_EVENT_THREAD_JOIN_BEGIN) {
            joined_pthread = event->object;
            join_begin_ns = event->time_ns;
        }
    }
}

/* Of equal times and threads the order in the array stays. */
static int by_time(const void *left, const void *right)
{
    const struct rw_transition *a = *(const struct rw_transition *const *)left;
    const struct rw_transition *b = *(const struct rw_transition *const *)right;
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    return a < b ? -1 : a > b;
}

void rw_fill_order_history(struct rw_fill *fill)
{
    struct rw_process_info *process = fill->process;
    size_t count = process->history_count;
    if (count == 0)
        return;
    struct rw_transition *copy =
        rw_need(talloc_memdup(fill->scratch, process->history, count * sizeof(copy[0])));
    struct rw_transition **order = rw_need(talloc_array(fill->scratch, struct rw_transition *, count));
    for (size_t i = 0; i < count; i++)
        order[i] = &copy[i];
    qsort(order, count, sizeof(order[0]), by_time);
    size_t cut = count > PROCESS_HISTORY_MAX ? count - PROCESS_HISTORY_MAX : 0;
    if (cut > 0)
        rw_process_note(fill->incident, process,
                        "the %zu oldest of the process's transitions are left out of its history; the "
                        "threads' own have them",
                        cut);
    for (size_t i = cut; i < count; i++)
        process->history[i - cut] = *order[i];
    process->history_count = count - cut;
}
