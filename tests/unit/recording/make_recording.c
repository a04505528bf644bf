/* SPDX-License-Identifier: MIT */
#include "tests/unit/recording/make_recording.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *need(void *pointer)
{
    if (pointer == NULL) {
        perror("make_recording");
        abort();
    }
    return pointer;
}

static void need_that(int condition)
{
    need(condition ? &condition : NULL);
}

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from);
}

void make_recording(struct made *made, unsigned slots)
{
    uint32_t at = 4096;
    struct rw_header header = {
        .magic = RW_RECORDING_MAGIC,
        .version = RW_RECORDING_VERSION,
        .header_size = sizeof(header),
        .shim_version = RW_VERSION,
        .ready = 1,
        .pid = MADE_PID,
        .ppid = 1,
        .created_ns = MADE_START_NS,
        .created_boottime_ns = MADE_START_NS,
        .created_realtime_ns = UINT64_C(1700000000) * MADE_S,
        .test_size = sizeof(struct rw_test),
        .test_count = RW_TEST_MAX,
        .interpreter_size = sizeof(struct rw_interpreter),
        .interpreter_count = RW_INTERPRETER_MAX,
        .semaphore_size = sizeof(struct rw_semaphore),
        .semaphore_count = RW_SEMAPHORE_MAX,
        .misuse_size = sizeof(struct rw_misuse),
        .misuse_count = RW_MISUSE_MAX,
        .account_size = sizeof(struct rw_account),
        .account_count = RW_ACCOUNT_MAX,
        .lock_size = sizeof(struct rw_lock),
        .lock_count = RW_LOCK_MAX,
        .lock_edge_size = sizeof(struct rw_lock_edge),
        .lock_edge_count = MADE_EDGES,
        .lock_stack_size = sizeof(struct rw_lock_stack),
        .lock_stack_count = MADE_EDGES,
        .slot_size = sizeof(struct rw_slot_area),
        .slot_max = RW_SLOT_MAX,
        .slot_allocated = slots,
        .executable = "/usr/bin/made",
    };
    header.test_offset = at;
    at += header.test_size * header.test_count;
    header.interpreter_offset = at;
    at += header.interpreter_size * header.interpreter_count;
    header.semaphore_offset = at;
    at += header.semaphore_size * header.semaphore_count;
    header.misuse_offset = at;
    at += header.misuse_size * header.misuse_count;
    header.account_offset = at;
    at += header.account_size * header.account_count;
    header.lock_offset = at;
    at += header.lock_size * header.lock_count;
    at = (at + 4095u) & ~4095u;
    header.lock_edge_offset = at;
    at += header.lock_edge_size * header.lock_edge_count;
    header.lock_stack_offset = at;
    at += header.lock_stack_size * header.lock_stack_count;
    at = (at + 4095u) & ~4095u;
    header.slot_offset = at;
    made->size = at + (size_t)slots * sizeof(struct rw_slot_area);
    made->bytes = need(calloc(1, made->size));
    memcpy(made->bytes, &header, sizeof(header));
    made->header = (struct rw_header *)made->bytes;
    made->tests = (struct rw_test *)(made->bytes + header.test_offset);
    made->interpreters = (struct rw_interpreter *)(made->bytes + header.interpreter_offset);
    made->semaphores = (struct rw_semaphore *)(made->bytes + header.semaphore_offset);
    made->misuses = (struct rw_misuse *)(made->bytes + header.misuse_offset);
    made->accounts = (struct rw_account *)(made->bytes + header.account_offset);
    made->locks = (struct rw_lock *)(made->bytes + header.lock_offset);
    made->edges = (struct rw_lock_edge *)(made->bytes + header.lock_edge_offset);
    made->stacks = (struct rw_lock_stack *)(made->bytes + header.lock_stack_offset);
    made->slots = (struct rw_slot_area *)(made->bytes + header.slot_offset);
}

void free_recording(struct made *made)
{
    free(made->bytes);
    memset(made, 0, sizeof(*made));
}

struct rw_slot *make_thread(struct made *made, unsigned index, int tid, enum rw_thread_state state,
                            const char *name)
{
    struct rw_slot *slot = &made->slots[index].slot;
    slot->sequence += 2;
    slot->generation++;
    slot->state = state;
    slot->tid = tid;
    slot->pthread = UINT64_C(0x7f0000000000) + (uint64_t)index * 0x1000;
    slot->created_ns = MADE_START_NS + index;
    slot->started_ns = tid != 0 ? slot->created_ns + 1 : 0;
    slot->since_ns = slot->created_ns + 1;
    slot->creator_interpreter_id = UINT64_MAX;
    slot->interpreter_call.interpreter_id = UINT64_MAX;
    copy(slot->name, sizeof(slot->name), name);
    if (index == 0)
        slot->flags |= RW_SLOT_MAIN;
    if (made->header->slot_used <= index)
        made->header->slot_used = index + 1;
    return slot;
}

void make_event(struct rw_slot *slot, uint64_t time_ns, enum rw_event_kind kind, uint64_t object,
                uint64_t arg)
{
    slot->lifecycle[slot->lifecycle_written % RW_EVENT_MAX] = (struct rw_event){
        .time_ns = time_ns,
        .object = object,
        .arg = arg,
        .return_address = 0x401234,
        .kind = kind,
        .count = 1,
    };
    slot->lifecycle_written++;
    slot->transitions++;
}

void make_wait(struct rw_slot *slot, uint64_t begin_ns, uint64_t end_ns, enum rw_wait_kind kind,
               uint64_t object, uint32_t count)
{
    slot->waits[slot->waits_written % RW_EVENT_MAX] = (struct rw_event){
        .time_ns = begin_ns,
        .end_ns = end_ns,
        .object = object,
        .arg = kind,
        .return_address = 0x401234,
        .kind = RW_EVENT_WAIT,
        .count = count,
    };
    slot->waits_written++;
    slot->transitions++;
}

struct rw_test *make_test(struct made *made, uint64_t number, const char *name, uint64_t begin_ns,
                          uint64_t end_ns)
{
    struct rw_test *test = &made->tests[(number - 1) % RW_TEST_MAX];
    *test = (struct rw_test){
        .sequence = test->sequence + 2,
        .phase = end_ns == 0 ? RW_PHASE_CALL : RW_PHASE_NONE,
        .number = number,
        .begin_ns = begin_ns,
        .phase_ns = begin_ns,
        .end_ns = end_ns,
        .tid = MADE_PID,
    };
    copy(test->name, sizeof(test->name), name);
    if (made->header->test_written < number)
        made->header->test_written = number;
    return test;
}

struct rw_account *make_account(struct made *made, const char *test, uint64_t begin_ns, uint64_t end_ns)
{
    struct rw_account *account = &made->accounts[made->header->accounts_written++ % RW_ACCOUNT_MAX];
    *account = (struct rw_account){.sequence = account->sequence + 2,
                                   .index = (uint32_t)made->header->accounts_written,
                                   .number = 1,
                                   .begin_ns = begin_ns,
                                   .end_ns = end_ns};
    copy(account->test, sizeof(account->test), test);
    return account;
}

void make_left_thread(struct rw_account *account, const struct made *made, unsigned slot)
{
    const struct rw_slot *thread = &made->slots[slot].slot;
    account->threads[account->threads_left++ % RW_LEFT_MAX] =
        (struct rw_left_thread){.tid = thread->tid, .slot = slot, .generation = thread->generation};
}

/* Each of two threads took one of two locks under the other. */
static void make_lock_orders(struct made *made)
{
    for (uint32_t i = 0; i < MADE_EDGES; i++) {
        made->edges[i] = (struct rw_lock_edge){.sequence = 2,
                                               .time_ns = MADE_START_NS + (i + 1) * MADE_S,
                                               .from = 0x9000 + i * 64,
                                               .to = 0x9040 - i * 64,
                                               .to_return_address = 0x401240,
                                               .to_stack = i + 1,
                                               .tid = 4001 + (int32_t)i,
                                               .gate_count = 1,
                                               .gates = {0xa000 + i}};
        copy(made->edges[i].name, sizeof(made->edges[i].name), "mover");
        made->stacks[i] = (struct rw_lock_stack){
            .sequence = 2,
            .frame_count = 1,
            .key = i,
            .frames = {{.file = "bank.py", .function = "move", .line = 7}},
            .capture = {.by = RW_CAPTURE_WAIT, .stack_address = 0x7ffe0000, .stack_length = 256}};
        made->stacks[i].capture.registers[7] = 0x7ffe0000;
        made->stacks[i].capture.registers[16] = 0x401240;
    }
    made->header->lock_edges_written = made->header->lock_stacks_written = MADE_EDGES;
}

void make_rich_recording(struct made *made)
{
    const uint64_t start = MADE_START_NS;
    make_recording(made, 6);
    make_test(made, 1, "test_a.py::test_one", start + 1 * MADE_S, start + 2 * MADE_S);
    make_test(made, 2, "test_a.py::test_two", start + 2 * MADE_S, 0);

    made->interpreters[0] = (struct rw_interpreter){.sequence = 2,
                                                    .state = RW_INTERPRETER_ALIVE,
                                                    .address = 0x5000,
                                                    .created_ns = start,
                                                    .creator_tid = MADE_PID};
    made->interpreters[1] = (struct rw_interpreter){.sequence = 4,
                                                    .state = RW_INTERPRETER_DESTROYING,
                                                    .address = 0x6000,
                                                    .id = 3,
                                                    .created_ns = start + 2 * MADE_S,
                                                    .destroy_begin_ns = start + 4 * MADE_S,
                                                    .creator_tid = MADE_PID,
                                                    .destroyer_tid = MADE_PID,
                                                    .test = "test_a.py::test_two"};
    made->semaphores[5] = (struct rw_semaphore){.address = 0x7777, .tid = 4001, .thread_ms = 2500};
    made->locks[rw_lock_set(0x7f0012345670) + 2] = (struct rw_lock){
        .address = 0x7f0012345670, .code = 0xc0de, .instruction = 0xc0e0, .tid = 4001, .thread_ms = 2500};

    struct rw_slot *main_thread = make_thread(made, 0, MADE_PID, RW_THREAD_WAITING, "");
    struct rw_slot *worker = make_thread(made, 1, 4001, RW_THREAD_WAITING, "worker-1");
    struct rw_slot *ended = make_thread(made, 2, 4002, RW_THREAD_EXITED, "ended");
    make_thread(made, 3, 4003, RW_THREAD_JOINED, "joined");
    make_thread(made, 4, 0, RW_THREAD_NEW, "");

    main_thread->since_ns = start + 5 * MADE_S;
    main_thread->wait =
        (struct rw_wait){.kind = RW_WAIT_JOIN, .object = worker->pthread, .return_address = 0x401234};
    main_thread->interpreter_call = (struct rw_interpreter_call){.op = RW_OP_DESTROY,
                                                                 .depth = 1,
                                                                 .interpreter = 0x6000,
                                                                 .interpreter_id = UINT64_MAX,
                                                                 .since_ns = start + 4 * MADE_S};
    make_event(main_thread, start + 2 * MADE_S, RW_EVENT_THREAD_CREATE, worker->pthread,
               1 | (uint64_t)worker->generation << 32);
    make_event(main_thread, start + 4 * MADE_S, RW_EVENT_INTERPRETER_DESTROY_BEGIN, 0x6000, UINT64_MAX);
    make_event(main_thread, start + 5 * MADE_S, RW_EVENT_THREAD_JOIN_BEGIN, worker->pthread, 0);
    make_wait(main_thread, start + 5 * MADE_S, 0, RW_WAIT_JOIN, worker->pthread, 1);
    main_thread->capture = (struct rw_capture){.sequence = 2,
                                               .by = RW_CAPTURE_WAIT,
                                               .time_ns = start + 5 * MADE_S,
                                               .stack_address = 0x7ffe0000,
                                               .stack_length = 512};
    main_thread->capture.registers[7] = 0x7ffe0000;
    main_thread->capture.registers[16] = 0x401234;
    memset(made->slots[0].stack, 0x41, 512);

    worker->created_ns = start + 2 * MADE_S;
    worker->creator_tid = MADE_PID;
    worker->creator_generation = main_thread->generation;
    worker->creator_interpreter = 0x6000;
    worker->start_routine = 0x402000;
    worker->since_ns = start + 3 * MADE_S;
    copy(worker->test, sizeof(worker->test), "test_a.py::test_two");
    worker->wait = (struct rw_wait){.kind = RW_WAIT_MUTEX, .object = 0x8000, .object2 = MADE_PID};
    make_event(worker, start + 2 * MADE_S + 1, RW_EVENT_THREAD_START, 0x402000, 0);
    make_wait(worker, start + 2 * MADE_S + 5, start + 2 * MADE_S + 900000005, RW_WAIT_SEMAPHORE, 0x7777, 14);
    make_wait(worker, start + 3 * MADE_S, 0, RW_WAIT_MUTEX, 0x8000, 1);
    make_event(ended, start + 3 * MADE_S, RW_EVENT_THREAD_EXIT, ended->pthread, 1);

    struct rw_account *account =
        make_account(made, "test_a.py::test_one", start + 1 * MADE_S, start + 2 * MADE_S);
    make_left_thread(account, made, 1);
    account->interpreters_left = account->descriptors_left = 1;
    account->interpreters[0] = 3;
    account->descriptors[0] = (struct rw_left_descriptor){.fd = 7, .access = 1, .target = "pipe:[123]"};
    copy(made->header->test, sizeof(made->header->test), "outer.py::test_outer");

    make_lock_orders(made);
    made->header->problem_count = 1;
    made->header->problems[0].error = 13;
    copy(made->header->problems[0].detail, sizeof(made->header->problems[0].detail),
         "Py_Exit could not be patched");
    made->header->hooks[RW_HOOK_Py_Exit] = RW_HOOK_FAILED;
    made->header->progress = 5;
}

void make_every_kind(struct made *made)
{
    struct rw_slot *ended = &made->slots[2].slot;
    const uint64_t pthread = made->slots[1].slot.pthread, at = MADE_START_NS + 3 * MADE_S;
    for (uint32_t kind = RW_MISUSE_NONE + 1; kind < RW_MISUSE_KINDS; kind++) {
        struct rw_misuse *misuse = &made->misuses[kind - 1];
        *misuse = (struct rw_misuse){.sequence = 2,
                                     .kind = kind,
                                     .count = kind,
                                     .outcome = kind % 3,
                                     .time_ns = at + kind,
                                     .object = kind == RW_MISUSE_LATE_THREAD ? 1 | UINT64_C(1) << 32 : 0x6000,
                                     .arg = 1,
                                     .return_address = 0x401250,
                                     .other_ns = at,
                                     .other_return_address = 0x401260,
                                     .tid = MADE_PID,
                                     .other_tid = 4001};
        copy(misuse->name, sizeof(misuse->name), "doer");
        copy(misuse->other_name, sizeof(misuse->other_name), "other");
        made->header->misuses++;
    }
    for (uint32_t kind = RW_EVENT_NONE + 1; kind < RW_EVENT_WAIT; kind++)
        make_event(ended, at + 1 + kind, kind, pthread, 1);
    for (uint32_t kind = RW_WAIT_NONE + 1; kind <= RW_WAIT_FORK; kind++)
        make_wait(ended, at + 1 + kind, at + 50 + kind * MADE_S / 10, kind, pthread, kind);
}

void write_recording(const struct made *made, const char *path, size_t size)
{
    if (size > made->size)
        size = made->size;
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    need_that(fd >= 0);
    need_that(write(fd, made->bytes, size) == (ssize_t)size);
    close(fd);
}

char *make_folder(void)
{
    const char *base = getenv("TEST_TMPDIR");
    char *folder = NULL;
    need_that(asprintf(&folder, "%s/recording-XXXXXX", base != NULL ? base : "/tmp") > 0);
    need(mkdtemp(folder));
    return folder;
}

void remove_folder(char *folder)
{
    DIR *entries = need(opendir(folder));
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(entries), entry->d_name, 0);
    }
    closedir(entries);
    need_that(rmdir(folder) == 0);
    free(folder);
}
