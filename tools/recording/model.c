/* SPDX-License-Identifier: MIT */
/* From a recording to the model: the process, its interpreters and its threads. */
#include "tools/recording/model_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <uthash.h>

/* Transitions of all threads together, about: an incident is read by people and parsed by programs. */
#define HISTORY_BUDGET 65536u

struct rw_described {
    uint64_t address;
    const char *text;
    UT_hash_handle hh;
};

const char *rw_fill_describe(struct rw_fill *fill, uint64_t address)
{
    if (address == 0 || fill->describe == NULL)
        return NULL;
    struct rw_described *known = NULL;
    HASH_FIND(hh, fill->described, &address, sizeof(address), known);
    if (known == NULL) {
        known = rw_need(talloc_zero(fill->scratch, struct rw_described));
        known->address = address;
        known->text = fill->describe(fill->describe_ctx, address, fill->incident);
        HASH_ADD(hh, fill->described, address, sizeof(address), known);
    }
    return known->text;
}

/* A copy of a string of the recording; NULL if it is empty. */
static const char *text(struct rw_fill *fill, const char *field)
{
    return field[0] != '\0' ? rw_need(talloc_strdup(fill->incident, field)) : NULL;
}

/* One that was detached after it had ended stays EXITED. */
static bool is_gone(const struct rw_slot *slot)
{
    return slot->state == RW_THREAD_JOINED || slot->state == RW_THREAD_DETACHED ||
           (slot->state == RW_THREAD_EXITED && (slot->flags & RW_SLOT_DETACHED));
}

const struct rw_slot *rw_fill_slot_of(const struct rw_fill *fill, uint32_t index, uint32_t generation)
{
    if (index >= fill->slot_count)
        return NULL;
    const struct rw_slot *slot = &fill->slots[index];
    return slot->state != RW_THREAD_FREE && slot->generation == generation ? slot : NULL;
}

/* So many former owners of a pthread_t are looked through. More of them in slots that nobody has used again
 * would be a strange program, or a file made to keep us busy. */
#define FORMER_OWNERS 64

static int by_pthread_then_age(const void *left, const void *right)
{
    const struct rw_slot *a = *(const struct rw_slot *const *)left,
                         *b = *(const struct rw_slot *const *)right;
    if (a->pthread != b->pthread)
        return a->pthread < b->pthread ? -1 : 1;
    if (a->created_ns != b->created_ns)
        return a->created_ns > b->created_ns ? -1 : 1;
    return a < b ? -1 : a > b;
}

const struct rw_slot *rw_fill_slot_of_pthread(const struct rw_fill *fill, uint64_t pthread, uint64_t at_ns)
{
    if (pthread == 0)
        return NULL;
    unsigned low = 0, high = fill->by_pthread_count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (fill->by_pthread[middle]->pthread < pthread)
            low = middle + 1;
        else
            high = middle;
    }
    for (unsigned i = low; i < fill->by_pthread_count && i - low < FORMER_OWNERS; i++) {
        const struct rw_slot *slot = fill->by_pthread[i];
        if (slot->pthread != pthread)
            break;
        if (slot->created_ns <= at_ns)
            return is_gone(slot) && slot->since_ns < at_ns ? NULL : slot;
    }
    return NULL;
}

int64_t rw_fill_interpreter_id(const struct rw_fill *fill, uint64_t address, uint64_t id, uint64_t at_ns)
{
    if (id <= INT64_MAX)
        return (int64_t)id;
    for (unsigned i = 0; i < fill->interpreter_count && address != 0; i++) {
        const struct rw_interpreter *known = &fill->interpreters[i];
        if (known->address != address || known->id > INT64_MAX)
            continue;
        /* The main interpreter may be noticed late; the others have been at this address since they were
         * made. */
        if ((known->created_ns <= at_ns || known->id == 0) &&
            (known->destroy_end_ns == 0 || known->destroy_end_ns >= at_ns))
            return (int64_t)known->id;
    }
    return -1;
}

char *rw_fill_thread_text(struct rw_fill *fill, const struct rw_slot *slot, uint64_t pthread)
{
    void *ctx = fill->incident;
    if (slot == NULL)
        return rw_need(talloc_asprintf(ctx, "a thread that is gone (pthread_t 0x%" PRIx64 ")", pthread));
    if (slot->tid <= 0)
        return rw_need(talloc_strdup(ctx, "a thread that has not run yet"));
    if (slot->name[0] != '\0')
        return rw_need(talloc_asprintf(ctx, "thread %d '%s'", slot->tid, slot->name));
    return rw_need(
        talloc_asprintf(ctx, "%sthread %d", slot->flags & RW_SLOT_MAIN ? "the main " : "", slot->tid));
}

static void read_tables(struct rw_fill *fill)
{
    fill->slot_count = fill->header->slot_used;
    fill->slots = rw_need(talloc_zero_array(fill->scratch, struct rw_slot, fill->slot_count + 1));
    unsigned torn = 0, unreadable = 0;
    for (unsigned i = 0; i < fill->slot_count; i++) {
        int error = rw_reader_slot(fill->reader, i, &fill->slots[i]);
        if (error == -EAGAIN)
            torn++;
        else if (error != 0 && error != -ENOENT)
            unreadable++;
        if (error != 0 && error != -EAGAIN)
            fill->slots[i].state = RW_THREAD_FREE;
    }
    if (torn != 0)
        rw_process_note(
            fill->incident, fill->process,
            "%u thread slots of the recording were being written when they were read: what is said of those "
            "threads may mix two moments",
            torn);
    if (unreadable != 0)
        rw_process_note(fill->incident, fill->process, "%u thread slots of the recording could not be read",
                        unreadable);

    fill->by_pthread = rw_need(talloc_array(fill->scratch, const struct rw_slot *, fill->slot_count + 1));
    for (unsigned i = 0; i < fill->slot_count; i++) {
        if (fill->slots[i].state != RW_THREAD_FREE)
            fill->by_pthread[fill->by_pthread_count++] = &fill->slots[i];
    }
    qsort(fill->by_pthread, fill->by_pthread_count, sizeof(fill->by_pthread[0]), by_pthread_then_age);
    fill->history_max = 2 * RW_EVENT_MAX;
    if (fill->by_pthread_count > HISTORY_BUDGET / fill->history_max) {
        fill->history_max = HISTORY_BUDGET / fill->by_pthread_count + 4;
        rw_process_note(fill->incident, fill->process,
                        "there are %u threads: of each no more than the last %zu transitions are told",
                        fill->by_pthread_count, fill->history_max);
    }

    unsigned count = fill->header->interpreter_count;
    fill->interpreters = rw_need(talloc_zero_array(fill->scratch, struct rw_interpreter, count + 1));
    for (unsigned i = 0; i < count; i++) {
        int error = rw_reader_interpreter(fill->reader, i, &fill->interpreters[fill->interpreter_count]);
        if (error == 0 || error == -EAGAIN)
            fill->interpreter_count++;
    }
}

static void fill_tests(struct rw_fill *fill)
{
    struct rw_process_info *process = fill->process;
    struct rw_test test;
    process->tests_begun = fill->header->test_written;
    char worker[sizeof(fill->header->test_worker) + 1] = "";
    memcpy(worker, &fill->header->test_worker, sizeof(fill->header->test_worker));
    process->worker = text(fill, worker);
    int error = rw_reader_current_test(fill->reader, &test);
    if (error == 0 || error == -EAGAIN) {
        process->test = text(fill, test.name);
        process->test_phase = rw_test_phase_word(test.phase);
        process->test_begin_ns = test.begin_ns;
    }
    for (unsigned back = 0; back < fill->header->test_count && back < process->tests_begun; back++) {
        error = rw_reader_test(fill->reader, process->tests_begun - back, &test);
        if ((error == 0 || error == -EAGAIN) && test.end_ns != 0) {
            process->last_test = text(fill, test.name);
            process->last_test_end_ns = test.end_ns;
            break;
        }
    }
}

static void fill_crash(struct rw_fill *fill)
{
    const struct rw_header *header = fill->header;
    struct rw_crash *crash = rw_need(talloc_zero(fill->incident, struct rw_crash));
    crash->signal = header->crash_signal;
    crash->code = header->crash_code;
    crash->tid = header->crash_tid;
    crash->sender = header->crash_sender;
    crash->address = header->crash_address;
    crash->has_address =
        header->crash_code > 0 && (header->crash_signal == SIGSEGV || header->crash_signal == SIGBUS);
    crash->time_ns = header->crash_ns;
    rw_crash_name(fill->incident, crash);
    fill->process->crash = crash;
}

static void fill_process(struct rw_fill *fill)
{
    const struct rw_header *header = fill->header;
    struct rw_process_info *process = fill->process;
    if (process->ppid <= 0)
        process->ppid = header->ppid;
    process->started_by = header->ppid;
    process->started_in_test = text(fill, header->test);
    if (process->executable == NULL)
        process->executable = text(fill, header->executable);
    if (process->name == NULL && process->executable != NULL) {
        const char *slash = strrchr(process->executable, '/');
        process->name = slash != NULL && slash[1] != '\0' ? slash + 1 : process->executable;
    }
    process->started_ns = header->created_ns;
    process->main_returned_ns = header->main_returned_ns;
    process->exit_begin_ns = header->exit_begin_ns;
    process->finalize_begin_ns = header->finalize_begin_ns;
    process->finalize_end_ns = header->finalize_end_ns;
    if (header->crash_ns != 0)
        fill_crash(fill);
}

static void fill_notes(struct rw_fill *fill)
{
    const struct rw_header *header = fill->header;
    if (rw_reader_note(fill->reader) != NULL)
        rw_process_note(fill->incident, fill->process, "%s", rw_reader_note(fill->reader));
    if (header->slots_refused != 0)
        rw_process_note(fill->incident, fill->process,
                        "%" PRIu64 " threads could not be recorded: there was no room for them",
                        header->slots_refused);
    if (header->locks_refused != 0)
        rw_process_note(fill->incident, fill->process,
                        "owners of %" PRIu64
                        " locks that were taken could not be recorded: too many were held",
                        header->locks_refused);
    for (unsigned i = 0; i < RW_HOOK_COUNT; i++) {
        if (header->hooks[i] == RW_HOOK_FAILED)
            rw_process_note(fill->incident, fill->process, "calls of %s are not seen", rw_hook_name(i));
        else if (header->hooks[i] == RW_HOOK_GOT)
            rw_process_note(fill->incident, fill->process, "calls of %s are seen from extension modules only",
                            rw_hook_name(i));
    }
    struct rw_problem problem;
    unsigned told = 0;
    for (unsigned i = 0; i < RW_PROBLEM_MAX; i++) {
        int error = rw_reader_problem(fill->reader, i, &problem);
        if (error != 0 && error != -EAGAIN)
            continue;
        told++;
        if (problem.error > 0)
            rw_process_note(fill->incident, fill->process, "the recorder: %s (%s)", problem.detail,
                            strerror(problem.error));
        else
            rw_process_note(fill->incident, fill->process, "the recorder: %s", problem.detail);
    }
    if (header->problem_count > told)
        rw_process_note(fill->incident, fill->process, "the recorder met %" PRIu32 " more problems",
                        header->problem_count - told);
}

/* An address may have been used by several interpreters in turn; the model knows one by its address: the
 * newest. */
static bool is_newest_at_its_address(const struct rw_fill *fill, unsigned index)
{
    const struct rw_interpreter *own = &fill->interpreters[index];
    for (unsigned i = 0; i < fill->interpreter_count; i++) {
        const struct rw_interpreter *other = &fill->interpreters[i];
        if (i != index && other->address == own->address &&
            (other->created_ns > own->created_ns || (other->created_ns == own->created_ns && i > index)))
            return false;
    }
    return true;
}

static void fill_interpreters(struct rw_fill *fill)
{
    for (unsigned i = 0; i < fill->interpreter_count; i++) {
        const struct rw_interpreter *recorded = &fill->interpreters[i];
        if (recorded->address == 0 || !is_newest_at_its_address(fill, i))
            continue;
        struct rw_interpreter_info *info =
            rw_process_interpreter(fill->incident, fill->process, recorded->address);
        if (recorded->id <= INT64_MAX)
            info->id = (int64_t)recorded->id;
        info->is_main = info->is_main || info->id == 0;
        info->state = rw_interpreter_state_word(recorded->state);
        info->created_ns = recorded->created_ns;
        info->creator_tid = recorded->creator_tid;
        info->created_in_test = text(fill, recorded->test);
        info->destroyer_tid = recorded->destroyer_tid;
        info->destroy_begin_ns = recorded->destroy_begin_ns;
    }
}

static void fill_thread(struct rw_fill *fill, struct rw_thread *thread, const struct rw_slot *slot)
{
    thread->name = text(fill, slot->name);
    thread->is_main = thread->is_main || (slot->flags & RW_SLOT_MAIN) != 0;
    thread->is_alive = slot->state == RW_THREAD_RUNNING || slot->state == RW_THREAD_WAITING;
    thread->state = rw_thread_state_word(slot->state);
    thread->since_ns = slot->since_ns;
    thread->pthread = slot->pthread;
    thread->is_detached = (slot->flags & RW_SLOT_DETACHED) != 0;
    thread->transitions = slot->transitions <= INT64_MAX ? (int64_t)slot->transitions : INT64_MAX;

    thread->creator_tid = slot->creator_tid;
    const struct rw_slot *creator = rw_fill_slot_of(fill, slot->creator_slot, slot->creator_generation);
    if (creator != NULL && creator->tid == slot->creator_tid && creator != slot)
        thread->creator_name = text(fill, creator->name);
    thread->created_ns = slot->created_ns;
    thread->created_in_test = text(fill, slot->test);
    thread->created_at = rw_fill_describe(fill, slot->create_return_address);
    thread->start_routine = rw_fill_describe(fill, slot->start_routine);
    if (slot->creator_interpreter != 0)
        thread->creator_interpreter = rw_fill_interpreter_id(fill, slot->creator_interpreter,
                                                             slot->creator_interpreter_id, slot->created_ns);

    const struct rw_interpreter_call *call = &slot->interpreter_call;
    /* A call that never began, or that is nobody's, is no call: the program may have written over it. */
    thread->interpreter_call = call->depth && call->since_ns ? rw_interpreter_op_word(call->op) : NULL;
    if (thread->interpreter_call != NULL) {
        thread->interpreter_call_id =
            rw_fill_interpreter_id(fill, call->interpreter, call->interpreter_id, call->since_ns);
        thread->interpreter_call_since_ns = call->since_ns;
    }
    if (slot->state == RW_THREAD_WAITING)
        rw_fill_wait(fill, thread, slot);
}

/* Several slots can claim one tid, which the kernel uses again: first comes the one that is not known to have
 * ended, and of equals the youngest. */
static int by_tid_then_truth(const void *left, const void *right)
{
    const struct rw_slot *a = *(const struct rw_slot *const *)left,
                         *b = *(const struct rw_slot *const *)right;
    if (a->tid != b->tid)
        return a->tid < b->tid ? -1 : 1;
    bool a_ended = a->state >= RW_THREAD_EXITED, b_ended = b->state >= RW_THREAD_EXITED;
    if (a_ended != b_ended)
        return a_ended ? 1 : -1;
    if (a->created_ns != b->created_ns)
        return a->created_ns > b->created_ns ? -1 : 1;
    return a < b ? -1 : a > b;
}

/* Threads that are gone are not told, but for those that came when Python's finalisation had begun: it ends
 * them before they can say anything to those that wait for it. */
static bool is_not_told(const struct rw_fill *fill, const struct rw_slot *slot)
{
    uint64_t finalize_ns = fill->header->finalize_begin_ns;
    bool is_late = finalize_ns != 0 && slot->created_ns > finalize_ns;
    return slot->tid < 0 || slot->state > RW_THREAD_DETACHED ||
           (is_gone(slot) && (!is_late || slot->tid == 0));
}

static void fill_threads(struct rw_fill *fill)
{
    unsigned count = fill->by_pthread_count;
    const struct rw_slot **sorted =
        rw_need(talloc_memdup(fill->scratch, fill->by_pthread, (count + 1) * sizeof(fill->by_pthread[0])));
    qsort(sorted, count, sizeof(sorted[0]), by_tid_then_truth);

    int last_tid = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct rw_slot *slot = sorted[i];
        unsigned index = (unsigned)(slot - fill->slots);
        struct rw_thread *thread = NULL;
        if (!is_not_told(fill, slot) && (slot->tid == 0 || slot->tid != last_tid)) {
            thread = rw_process_thread(fill->incident, fill->process, slot->tid);
            fill_thread(fill, thread, slot);
            last_tid = slot->tid;
        }
        rw_fill_history(fill, index, thread);
    }
    rw_fill_order_history(fill);
}

static void fill_accounts(struct rw_fill *fill)
{
    uint64_t written = fill->header->accounts_written, kept = fill->header->account_count;
    struct rw_account account;
    for (uint64_t i = written > kept ? written - kept + 1 : 1; i <= written; i++) {
        int error = rw_reader_account(fill->reader, i, &account);
        if (error == 0 || error == -EAGAIN)
            rw_recording_fill_account(fill->incident, fill->process, fill->reader, &account);
    }
}

int rw_recording_fill(struct rw_incident *incident, struct rw_process_info *process, struct rw_reader *reader,
                      rw_describe_fn describe, void *describe_ctx)
{
    int error = rw_reader_refresh(reader);
    if (error != 0)
        rw_process_note(
            incident, process,
            "the recording was damaged while the program ran (%s): what it told before that is shown",
            strerror(-error));
    struct rw_fill fill = {
        .incident = incident,
        .process = process,
        .reader = reader,
        .header = rw_reader_header(reader),
        .describe = describe,
        .describe_ctx = describe_ctx,
        .scratch = rw_need(talloc_new(NULL)),
    };
    fill_process(&fill);
    fill_notes(&fill);
    read_tables(&fill);
    fill_tests(&fill);
    fill_interpreters(&fill);
    fill_threads(&fill);
    fill_accounts(&fill);
    rw_fill_misuses(&fill);
    HASH_CLEAR(hh, fill.described);
    talloc_free(fill.scratch);
    return 0;
}
