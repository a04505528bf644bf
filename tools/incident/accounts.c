/* SPDX-License-Identifier: MIT */
#include "tools/incident/accounts.h"

#include <string.h>

#include <talloc.h>

#include "tools/incident/model.h"
#include "tools/incident/words.h"

#define KIN_DEPTH 64

/* A pointer to a new element at the end of an array of the incident. */
#define APPEND(incident, array, count)                                                                       \
    ((array) = rw_grow(incident, array, count, sizeof *(array)), &(array)[(count)++])

struct rw_test_account *rw_process_add_account(struct rw_incident *incident, struct rw_process_info *process,
                                               const char *test)
{
    struct rw_test_account *account = APPEND(incident, process->tests, process->test_count);

    account->test = test;
    account->pid = process->pid;
    account->worker = process->worker;
    account->threads_begin = account->threads_end = -1;
    account->interpreters_begin = account->interpreters_end = -1;
    account->descriptors_begin = account->descriptors_end = -1;
    return account;
}

struct rw_test_account *rw_process_find_account(const struct rw_process_info *process, const char *test)
{
    for (size_t i = process->test_count; i-- > 0;)
        if (process->tests[i].test && strcmp(process->tests[i].test, test) == 0)
            return &process->tests[i];
    return NULL;
}

void rw_account_add_thread(struct rw_incident *incident, struct rw_test_account *account, int tid,
                           const char *name)
{
    *APPEND(incident, account->threads, account->thread_count) =
        (struct rw_left_thread_info){.tid = tid, .name = name};
}

void rw_account_add_interpreter(struct rw_incident *incident, struct rw_test_account *account, int64_t id)
{
    APPEND(incident, account->interpreters, account->interpreter_count)->id = id;
}

void rw_account_add_child(struct rw_incident *incident, struct rw_test_account *account, int pid,
                          const char *name)
{
    for (size_t i = 0; i < account->child_count; i++)
        if (account->children[i].pid == pid)
            return;
    *APPEND(incident, account->children, account->child_count) =
        (struct rw_left_child){.pid = pid, .name = name};
}

void rw_account_add_descriptor(struct rw_incident *incident, struct rw_test_account *account,
                               const struct rw_left_open *descriptor)
{
    *APPEND(incident, account->descriptors, account->descriptor_count) = *descriptor;
}

static bool is_empty(const struct rw_test_account *account)
{
    return account->thread_count + account->interpreter_count + account->child_count +
               account->descriptor_count ==
           0;
}

void rw_process_drop_empty_accounts(struct rw_process_info *process)
{
    size_t kept = 0;

    for (size_t i = 0; i < process->test_count; i++)
        if (!is_empty(&process->tests[i]))
            process->tests[kept++] = process->tests[i];
    process->test_count = kept;
}

const struct rw_process_info *rw_left_by(const struct rw_incident *incident,
                                         const struct rw_process_info *process)
{
    const struct rw_process_info *runner = process;

    if (!process->started_in_test)
        return NULL;
    for (int depth = 0; depth < KIN_DEPTH && runner; depth++) {
        runner = runner->started_by > 0 ? rw_incident_find_process(incident, runner->started_by) : NULL;
        if (runner && runner->tests_begun)
            break;
    }
    return runner && runner->tests_begun &&
                   !(runner->test && strcmp(runner->test, process->started_in_test) == 0)
               ? runner
               : NULL;
}

static void enter_process(struct rw_incident *incident, const struct rw_process_info *process)
{
    const struct rw_process_info *by = rw_left_by(incident, process);
    struct rw_process_info *runner = by ? rw_incident_find_process(incident, by->pid) : NULL;
    struct rw_test_account *account;

    /* Of one that ended in order there are no threads to tell of. */
    if (!runner || (!process->is_alive && process->thread_count == 0))
        return;
    account = rw_process_find_account(runner, process->started_in_test);
    if (!account)
        account = rw_process_add_account(incident, runner, process->started_in_test);
    rw_account_add_child(incident, account, process->pid, process->name);
}

void rw_account_name_threads(struct rw_incident *incident, struct rw_test_account *account,
                             const struct rw_process_info *process)
{
    for (size_t i = 0; i < account->thread_count; i++) {
        const struct rw_thread *thread = rw_process_find_thread(process, account->threads[i].tid);

        if (thread && thread->name && thread->created_in_test &&
            strcmp(thread->created_in_test, account->test) == 0)
            account->threads[i].name = rw_words(incident, "%s", thread->name);
    }
}

void rw_accounts_complete(struct rw_incident *incident)
{
    for (size_t i = 0; i < incident->process_count; i++)
        enter_process(incident, &incident->processes[i]);
    for (size_t i = 0; i < incident->process_count; i++)
        for (size_t j = 0; j < incident->processes[i].test_count; j++)
            rw_account_name_threads(incident, &incident->processes[i].tests[j], &incident->processes[i]);
}

char *rw_left_open_words(void *ctx, const struct rw_left_open *descriptor)
{
    bool one_way = descriptor->access && strcmp(descriptor->access, "both") != 0;

    if (!descriptor->target)
        return rw_words(ctx, "fd %d", descriptor->fd);
    return rw_words(ctx, "fd %d (%s%s%s)", descriptor->fd, descriptor->target, one_way ? ", to " : "",
                    one_way ? descriptor->access : "");
}

char *rw_account_words(void *ctx, const struct rw_test_account *account)
{
    char *text = NULL;

    for (size_t i = 0; i < account->thread_count; i++)
        rw_append(ctx, &text, account->threads[i].name ? "%sthread '%s' (tid %d)" : "%sthread %s%d",
                  text ? ", " : "", account->threads[i].name ? account->threads[i].name : "",
                  account->threads[i].tid);
    for (size_t i = 0; i < account->interpreter_count; i++)
        rw_append(ctx, &text, "%sinterpreter %lld", text ? ", " : "", (long long)account->interpreters[i].id);
    for (size_t i = 0; i < account->child_count; i++)
        rw_append(ctx, &text, "%sprocess %d (%s)", text ? ", " : "", account->children[i].pid,
                  account->children[i].name ? account->children[i].name : "?");
    for (size_t i = 0; i < account->descriptor_count; i++)
        rw_append(ctx, &text, "%s%s", text ? ", " : "", rw_left_open_words(ctx, &account->descriptors[i]));
    if (account->not_told)
        rw_append(ctx, &text, "%s%u more", text ? ", and " : "", account->not_told);
    return text ? text : rw_words(ctx, "nothing");
}
