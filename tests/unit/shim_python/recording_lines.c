/* SPDX-License-Identifier: MIT */
/* Prints what a recording says of interpreters, a line of words and numbers each, for tests to read:
 *     hook NAME WAY
 *     problem TEXT
 *     milestone NAME 0|1
 *     interpreter ID ADDRESS STATE CREATOR-TID DESTROYER-TID
 *     thread TID CREATOR-TID CREATOR-INTERPRETER-ID OP OP-INTERPRETER-ID
 *     event TID KIND INTERPRETER-ID
 * Ids that are not known are -1. */
#include <inttypes.h>
#include <stdio.h>

#include "shim/recording.h"
#include "tools/recording/model.h"
#include "tools/recording/reader.h"

static const char *const ways[] = {"absent", "entry", "got", "failed"};
static const char *const states[] = {"free", "creating", "alive", "destroying", "destroyed"};
static const char *const ops[] = {"none", "new", "destroy", "finalize"};
static const char *const kinds[] = {
    [RW_EVENT_INTERPRETER_NEW_BEGIN] = "new-begin",
    [RW_EVENT_INTERPRETER_NEW_END] = "new-end",
    [RW_EVENT_INTERPRETER_DESTROY_BEGIN] = "destroy-begin",
    [RW_EVENT_INTERPRETER_DESTROY_END] = "destroy-end",
    [RW_EVENT_FINALIZE_BEGIN] = "finalize-begin",
    [RW_EVENT_FINALIZE_END] = "finalize-end",
};

static void print_slot(struct rw_reader *reader, unsigned index)
{
    struct rw_slot slot;
    static struct rw_history history;
    if (rw_reader_slot(reader, index, &slot) != 0)
        return;
    printf("thread %" PRId32 " %" PRId32 " %" PRId64 " %s %" PRId64 "\n", slot.tid, slot.creator_tid,
           (int64_t)slot.creator_interpreter_id, ops[slot.interpreter_call.op & 3],
           (int64_t)slot.interpreter_call.interpreter_id);
    if (rw_reader_history(reader, index, &slot, &history) != 0)
        return;
    for (size_t i = 0; i < history.count; i++) {
        const struct rw_event *event = &history.events[i];
        if (event->kind < sizeof kinds / sizeof kinds[0] && kinds[event->kind])
            printf("event %" PRId32 " %s %" PRId64 "\n", slot.tid, kinds[event->kind], (int64_t)event->arg);
    }
}

static void print_interpreter(struct rw_reader *reader, unsigned index)
{
    struct rw_interpreter in;
    if (rw_reader_interpreter(reader, index, &in) == 0 && in.state != RW_INTERPRETER_FREE && in.state < 5)
        printf("interpreter %" PRId64 " %" PRIx64 " %s %" PRId32 " %" PRId32 "\n", (int64_t)in.id, in.address,
               states[in.state], in.creator_tid, in.destroyer_tid);
}

int main(int argc, char **argv)
{
    struct rw_reader *reader;
    char *why;
    if (argc != 2)
        return 2;
    if (rw_reader_open(argv[1], &reader, &why) != 0) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    const struct rw_header *header = rw_reader_header(reader);
    for (unsigned i = 0; i < RW_HOOK_COUNT; i++)
        printf("hook %s %s\n", rw_hook_name(i), ways[header->hooks[i] & 3]);
    struct rw_problem problem;
    for (unsigned i = 0; i < RW_PROBLEM_MAX; i++)
        if (rw_reader_problem(reader, i, &problem) == 0)
            printf("problem %s\n", problem.detail);
    printf("milestone finalize-begin %d\n", header->finalize_begin_ns != 0);
    printf("milestone finalize-end %d\n", header->finalize_end_ns != 0);
    for (unsigned i = 0; i < header->interpreter_count; i++)
        print_interpreter(reader, i);
    for (unsigned i = 0; i < header->slot_used; i++)
        print_slot(reader, i);
    rw_reader_close(reader);
    return 0;
}
