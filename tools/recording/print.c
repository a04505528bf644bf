/* SPDX-License-Identifier: MIT */
#include "tools/recording/print.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "tools/recording/model.h"
#include "tools/recording/reader.h"

/* Times are printed as seconds since the recording began: the only thing that people compare them for. */
static void print_time(FILE *out, const struct rw_header *header, const char *what, uint64_t time_ns)
{
    if (time_ns != 0)
        fprintf(out, " %s=%+.6f", what, ((double)time_ns - (double)header->created_ns) / 1e9);
}

static void print_string(FILE *out, const char *what, const char *string)
{
    if (string[0] == '\0')
        return;
    fprintf(out, " %s='", what);
    for (const unsigned char *byte = (const unsigned char *)string; *byte != '\0'; byte++) {
        if (isprint(*byte) && *byte != '\\')
            fputc(*byte, out);
        else
            fprintf(out, "\\x%02x", *byte);
    }
    fputc('\'', out);
}

static void print_address(FILE *out, const char *what, uint64_t address)
{
    if (address != 0)
        fprintf(out, " %s=0x%" PRIx64, what, address);
}

static void print_number(FILE *out, const char *what, int64_t number)
{
    if (number != 0)
        fprintf(out, " %s=%" PRId64, what, number);
}

/* A number by its word, or as itself. */
static void print_word(FILE *out, const char *word, uint32_t number)
{
    if (word != NULL)
        fprintf(out, " %s", word);
    else
        fprintf(out, " #%" PRIu32, number);
}

static const char *torn(int error)
{
    return error == -EAGAIN ? " (torn)" : "";
}

static void print_header(FILE *out, struct rw_reader *reader)
{
    const struct rw_header *header = rw_reader_header(reader);
    fprintf(out, "recording version=%" PRIu32, header->version);
    print_string(out, "shim", header->shim_version);
    print_number(out, "pid", header->pid);
    print_number(out, "ppid", header->ppid);
    print_number(out, "monitor", header->monitor_pid);
    print_string(out, "executable", header->executable);
    char worker[sizeof(header->test_worker) + 1] = "";
    memcpy(worker, &header->test_worker, sizeof(header->test_worker));
    print_string(out, "worker", worker);
    print_string(out, "started-in-test", header->test);
    fprintf(out, "\n  created: monotonic=%" PRIu64 " boottime=%" PRIu64 " realtime=%" PRIu64 " (ns)\n",
            header->created_ns, header->created_boottime_ns, header->created_realtime_ns);
    fprintf(out,
            "  slots: used=%" PRIu32 " allocated=%" PRIu32 " refused=%" PRIu64 "; progress=%" PRIu64
            " dlopen=%" PRIu64 " tests=%" PRIu64 "\n  times:",
            header->slot_used, header->slot_allocated, header->slots_refused, header->progress,
            header->dl_generation, header->test_written);
    print_time(out, header, "main-returned", header->main_returned_ns);
    print_time(out, header, "finalize-begin", header->finalize_begin_ns);
    print_time(out, header, "finalize-end", header->finalize_end_ns);
    print_time(out, header, "exit-begin", header->exit_begin_ns);
    print_time(out, header, "exec", header->exec_ns);
    print_time(out, header, "serial-stuck", header->serial_stuck_ns);
    print_time(out, header, "last-test-end", header->test_last_end_ns);
    print_time(out, header, "monitor-seen", header->monitor_seen_ns);
    if (header->exit_begin_ns != 0)
        fprintf(out, " exit-status=%" PRId32 " exit-tid=%" PRId32, header->exit_status, header->exit_tid);
    fprintf(out, "\n  capture: signal=%" PRId32 " tracing-refused=%" PRIu32 " request=%" PRIu64 "\n",
            header->capture_signal, header->tracing_refused, header->capture_request);
    static const char *const ways[] = {"absent", "entry", "got", "failed"};
    for (unsigned i = 0; i < RW_HOOK_COUNT; i++) {
        if (header->hooks[i] != RW_HOOK_ABSENT)
            fprintf(out, "  hook %s: %s\n", rw_hook_name(i),
                    header->hooks[i] < 4 ? ways[header->hooks[i]] : "unknown");
    }
    struct rw_problem problem;
    for (unsigned i = 0; i < RW_PROBLEM_MAX; i++) {
        int error = rw_reader_problem(reader, i, &problem);
        if (error != 0 && error != -EAGAIN)
            continue;
        fprintf(out, "  problem%s errno=%" PRIu32, torn(error), problem.error);
        print_string(out, "what", problem.detail);
        fputc('\n', out);
    }
    if (rw_reader_note(reader) != NULL)
        fprintf(out, "  note: %s\n", rw_reader_note(reader));
}

static void print_tests(FILE *out, struct rw_reader *reader)
{
    const struct rw_header *header = rw_reader_header(reader);
    uint64_t kept = header->test_written < header->test_count ? header->test_written : header->test_count;
    for (uint64_t i = header->test_written - kept + 1; kept > 0; i++, kept--) {
        struct rw_test test;
        int error = rw_reader_test(reader, i, &test);
        if (error != 0 && error != -EAGAIN)
            continue;
        fprintf(out, "test %" PRIu64 "%s", i, torn(error));
        print_string(out, "name", test.name);
        if (test.phase != RW_PHASE_NONE)
            print_word(out, rw_test_phase_word(test.phase), test.phase);
        print_number(out, "tid", test.tid);
        print_time(out, header, "begin", test.begin_ns);
        print_time(out, header, "phase", test.phase_ns);
        print_time(out, header, "end", test.end_ns);
        fputc('\n', out);
    }
}

static void print_account(FILE *out, const struct rw_header *header, const struct rw_account *account)
{
    print_number(out, "number", (int64_t)account->number);
    print_string(out, "test", account->test);
    print_time(out, header, "begin", account->begin_ns);
    print_time(out, header, "end", account->end_ns);
    fprintf(out, "\n  threads %" PRIu32 "->%" PRIu32 " left=%" PRIu32, account->threads_begin,
            account->threads_end, account->threads_left);
    for (uint32_t i = 0; i < account->threads_left && i < RW_LEFT_MAX; i++)
        fprintf(out, " tid=%" PRId32 " slot=%" PRIu32 ".%" PRIu32, account->threads[i].tid,
                account->threads[i].slot, account->threads[i].generation);
    fprintf(out, "\n  interpreters %" PRIu32 "->%" PRIu32 " left=%" PRIu32, account->interpreters_begin,
            account->interpreters_end, account->interpreters_left);
    for (uint32_t i = 0; i < account->interpreters_left && i < RW_LEFT_MAX; i++)
        fprintf(out, " id=%" PRId64, (int64_t)account->interpreters[i]);
    fprintf(out, "\n  descriptors %" PRIu32 "->%" PRIu32 " left=%" PRIu32 "%s", account->descriptors_begin,
            account->descriptors_end, account->descriptors_left,
            account->flags & RW_ACCOUNT_NO_DESCRIPTORS ? " (not known)" : "");
    for (uint32_t i = 0; i < account->descriptors_left && i < RW_LEFT_MAX; i++) {
        fprintf(out, " fd=%" PRId32 " access=%" PRIu32, account->descriptors[i].fd,
                account->descriptors[i].access);
        print_string(out, "target", account->descriptors[i].target);
        if (account->descriptors[i].is_closed)
            fputs(" (closed)", out);
    }
    fputc('\n', out);
}

static void print_accounts(FILE *out, struct rw_reader *reader)
{
    const struct rw_header *header = rw_reader_header(reader);
    uint64_t written = header->accounts_written, count = header->account_count;
    for (uint64_t i = written > count ? written - count + 1 : 1; i <= written; i++) {
        struct rw_account account;
        int error = rw_reader_account(reader, i, &account);
        if (error != 0 && error != -EAGAIN)
            continue;
        fprintf(out, "account %" PRIu64 "%s", i, torn(error));
        print_account(out, header, &account);
    }
}

static void print_interpreters(FILE *out, struct rw_reader *reader)
{
    const struct rw_header *header = rw_reader_header(reader);
    for (unsigned i = 0; i < header->interpreter_count; i++) {
        struct rw_interpreter interpreter;
        int error = rw_reader_interpreter(reader, i, &interpreter);
        if (error != 0 && error != -EAGAIN)
            continue;
        fprintf(out, "interpreter%s id=%" PRId64, torn(error), (int64_t)interpreter.id);
        print_word(out, rw_interpreter_state_word(interpreter.state), interpreter.state);
        print_address(out, "address", interpreter.address);
        print_number(out, "creator", interpreter.creator_tid);
        print_number(out, "destroyer", interpreter.destroyer_tid);
        print_time(out, header, "created", interpreter.created_ns);
        print_time(out, header, "destroy-begin", interpreter.destroy_begin_ns);
        print_time(out, header, "destroy-end", interpreter.destroy_end_ns);
        print_string(out, "test", interpreter.test);
        fputc('\n', out);
    }
}

static void print_semaphores(FILE *out, struct rw_reader *reader)
{
    struct rw_semaphore table[RW_SEMAPHORE_MAX];
    size_t count;
    if (rw_reader_semaphores(reader, table, &count) != 0)
        return;
    for (size_t i = 0; i < count; i++)
        fprintf(out, "semaphore address=0x%" PRIx64 " taken-by=%" PRId32 " thread-there-by=%+.3f\n",
                table[i].address, table[i].tid, table[i].thread_ms / 1e3);
}

static void print_misuses(FILE *out, struct rw_reader *reader)
{
    const struct rw_header *header = rw_reader_header(reader);
    for (unsigned i = 0; i < header->misuse_count; i++) {
        struct rw_misuse misuse;
        int error = rw_reader_misuse(reader, i, &misuse);
        if (error != 0 && error != -EAGAIN)
            continue;
        fprintf(out, "misuse%s", torn(error));
        print_word(out, rw_misuse_word(misuse.kind), misuse.kind);
        print_time(out, header, "at", misuse.time_ns);
        print_number(out, "tid", misuse.tid);
        print_string(out, "name", misuse.name);
        print_address(out, "object", misuse.object);
        print_number(out, "arg", (int64_t)misuse.arg);
        print_number(out, "count", misuse.count);
        print_number(out, "outcome", misuse.outcome);
        print_address(out, "from", misuse.return_address);
        print_number(out, "other", misuse.other_tid);
        print_string(out, "other-name", misuse.other_name);
        print_time(out, header, "other-at", misuse.other_ns);
        print_address(out, "other-from", misuse.other_return_address);
        fputc('\n', out);
    }
}

static void print_locks(FILE *out, struct rw_reader *reader)
{
    struct rw_lock *held = calloc(RW_LOCK_MAX, sizeof(*held));
    size_t count = 0;
    if (held != NULL && rw_reader_locks(reader, held, &count) != 0)
        count = 0;
    for (size_t i = 0; i < count; i++)
        fprintf(out,
                "lock address=0x%" PRIx64 " taken-by=%" PRId32 " thread-there-by=%+.3f code=0x%" PRIx64
                " instruction=0x%" PRIx64 "\n",
                held[i].address, held[i].tid, held[i].thread_ms / 1e3, held[i].code, held[i].instruction);
    free(held);
}

static void print_history(FILE *out, struct rw_reader *reader, unsigned index, const struct rw_slot *slot)
{
    const struct rw_header *header = rw_reader_header(reader);
    struct rw_history history;
    int error = rw_reader_history(reader, index, slot, &history);
    if (error != 0 && error != -EAGAIN) {
        fprintf(out, "  history: %s\n", strerror(-error));
        return;
    }
    if (history.is_cut)
        fputs("  ... older events were overwritten\n", out);
    for (size_t i = 0; i < history.count; i++) {
        const struct rw_event *event = &history.events[i];
        fputs("  event", out);
        print_time(out, header, "at", event->time_ns);
        print_word(out, rw_event_word(event->kind), event->kind);
        if (event->kind == RW_EVENT_WAIT) {
            print_word(out, rw_wait_kind_word((uint32_t)event->arg), (uint32_t)event->arg);
            print_number(out, "result", (int32_t)(event->arg >> 32));
            print_time(out, header, "end", event->end_ns);
        } else {
            print_number(out, "arg", (int64_t)event->arg);
        }
        print_address(out, "object", event->object);
        print_number(out, "count", event->count != 1 ? event->count : 0);
        print_address(out, "from", event->return_address);
        fputc('\n', out);
    }
}

static void print_wait(FILE *out, const struct rw_wait *wait)
{
    fputs("  waits", out);
    print_word(out, rw_wait_kind_word(wait->kind), wait->kind);
    print_address(out, "object", wait->object);
    print_address(out, "object2", wait->object2);
    if (wait->flags & RW_WAIT_HAS_DEADLINE)
        fprintf(out, " deadline=%" PRIu64 " clock=%" PRId32, wait->deadline_ns, wait->clock);
    print_address(out, "from", wait->return_address);
    fputc('\n', out);
}

static void print_interpreter_call(FILE *out, const struct rw_header *header,
                                   const struct rw_interpreter_call *call)
{
    fputs("  interpreter-call", out);
    print_word(out, rw_interpreter_op_word(call->op), call->op);
    print_address(out, "interpreter", call->interpreter);
    fprintf(out, " id=%" PRId64 " depth=%" PRIu32, (int64_t)call->interpreter_id, call->depth);
    print_time(out, header, "since", call->since_ns);
    fputc('\n', out);
}

static void print_capture(FILE *out, struct rw_reader *reader, unsigned index)
{
    struct rw_capture capture;
    uint8_t stack[RW_STACK_MAX];
    int error = rw_reader_capture(reader, index, &capture, stack);

    if (error != 0 && error != -EAGAIN)
        return;
    fprintf(out, "  capture%s by=%s", torn(error),
            capture.by == RW_CAPTURE_WAIT      ? "wait"
            : capture.by == RW_CAPTURE_HANDLER ? "handler"
                                               : "unknown");
    print_time(out, rw_reader_header(reader), "at", capture.time_ns);
    print_address(out, "pc", capture.registers[16]);
    print_address(out, "stack", capture.stack_address);
    fprintf(out, " bytes=%" PRIu32 "%s\n", capture.stack_length, capture.stack_whole ? " whole" : "");
}

static void print_slot(FILE *out, struct rw_reader *reader, unsigned index)
{
    const struct rw_header *header = rw_reader_header(reader);
    struct rw_slot slot;
    int error = rw_reader_slot(reader, index, &slot);
    if (error == -ENOENT)
        return;
    fprintf(out, "slot %u.%" PRIu32 "%s", index, slot.generation, torn(error));
    if (error != 0 && error != -EAGAIN) {
        fprintf(out, ": %s\n", strerror(-error));
        return;
    }
    print_word(out, rw_thread_state_word(slot.state), slot.state);
    print_number(out, "tid", slot.tid);
    print_string(out, "name", slot.name);
    fprintf(out, "%s%s%s%s", slot.flags & RW_SLOT_MAIN ? " main" : "",
            slot.flags & RW_SLOT_DETACHED ? " detached" : "", slot.flags & RW_SLOT_ADOPTED ? " adopted" : "",
            slot.flags & RW_SLOT_CANCELLED ? " cancelled" : "");
    print_time(out, header, "since", slot.since_ns);
    print_time(out, header, "created", slot.created_ns);
    print_time(out, header, "started", slot.started_ns);
    print_time(out, header, "exited", slot.exited_ns);
    fputs("\n ", out);
    print_number(out, "creator", slot.creator_tid);
    print_address(out, "creator-interpreter", slot.creator_interpreter);
    print_address(out, "pthread", slot.pthread);
    print_address(out, "start", slot.start_routine);
    print_address(out, "created-from", slot.create_return_address);
    print_address(out, "stack-top", slot.stack_top);
    print_string(out, "test", slot.test);
    fprintf(out, " transitions=%" PRIu64 "\n", slot.transitions);
    if (slot.state == RW_THREAD_WAITING)
        print_wait(out, &slot.wait);
    if (slot.interpreter_call.op != RW_OP_NONE)
        print_interpreter_call(out, header, &slot.interpreter_call);
    print_capture(out, reader, index);
    print_history(out, reader, index, &slot);
}

/* How many there are, and how many found no room: silence says something only if these are few. */
static void print_lock_orders(FILE *out, const struct rw_header *header)
{
    if (header->lock_edge_count == 0)
        return;
    fprintf(out,
            "lock-orders written=%" PRIu64 " left-out=%" PRIu64 " stacks=%" PRIu64 " stacks-left-out=%" PRIu64
            "\n",
            header->lock_edges_written, header->lock_edges_left_out, header->lock_stacks_written,
            header->lock_stacks_left_out);
}

int rw_recording_print(const char *path, FILE *out, char **why)
{
    struct rw_reader *reader;
    int error = rw_reader_open(path, &reader, why);
    if (error != 0)
        return error;
    print_header(out, reader);
    print_tests(out, reader);
    print_accounts(out, reader);
    print_interpreters(out, reader);
    print_semaphores(out, reader);
    print_misuses(out, reader);
    print_locks(out, reader);
    print_lock_orders(out, rw_reader_header(reader));
    for (unsigned i = 0; i < rw_reader_header(reader)->slot_used; i++)
        print_slot(out, reader, i);
    rw_reader_close(reader);
    if (fflush(out) == 0 && !ferror(out))
        return 0;
    *why = talloc_strdup(NULL, "it could not all be written out");
    return -EIO;
}
