/* SPDX-License-Identifier: MIT */
#include "tools/monitor/accounts.h"

#include <errno.h>
#include <string.h>

#include <talloc.h>

#include "tools/basics/paths.h"
#include "tools/incident/accounts.h"
#include "tools/incident/json.h"
#include "tools/incident/model.h"
#include "tools/recording/model.h"
#include "tools/recording/reader.h"
#include "tools/snapshot/left_open.h"

/* A test is asked about when what was on its way out has gone; recording/accounts.c has the same time. */
#define SETTLE_NS UINT64_C(100000000)
#define TESTS_MAX                                                                                            \
    1000 /* told one by one: a suite in which each test leaves something needs no longer list                \
          */
#define KIN_DEPTH 64

struct rw_accounts {
    const struct rw_watch *watch;
    struct rw_incident *book; /* processes with nothing in them but accounts */
    size_t count;
    size_t lost; /* tests that are not told: they came faster than they were taken, or there were too many */
};

struct rw_accounts *rw_accounts_new(void *parent, const struct rw_watch *watch)
{
    struct rw_accounts *accounts = talloc_zero(parent, struct rw_accounts);
    accounts->watch = watch;
    accounts->book = rw_incident_new(accounts);
    return accounts;
}

static struct rw_process_info *process_of(struct rw_accounts *accounts, const struct rw_watched *watched)
{
    struct rw_process_info *process = rw_incident_find_process(accounts->book, watched->pid);
    if (process != NULL)
        return process;
    const struct rw_header *header = rw_reader_header(watched->reader);
    char worker[sizeof(header->test_worker) + 1] = "";
    memcpy(worker, &header->test_worker, sizeof(header->test_worker));
    process = rw_incident_add_process(accounts->book, watched->pid);
    process->worker = worker[0] != '\0' ? talloc_strdup(accounts->book, worker) : NULL;
    return process;
}

static bool lacks_name(const struct rw_test_account *account)
{
    for (size_t i = 0; i < account->thread_count; i++)
        if (account->threads[i].name == NULL)
            return true;
    return false;
}

/* On a page of its own, which the book takes in if something stands on it: what most tests seem to leave is
 * gone by now, and a run may have a million of them. */
static void enter(struct rw_accounts *accounts, struct rw_watched *watched, const struct rw_account *recorded)
{
    struct rw_process_info *process = process_of(accounts, watched);
    struct rw_incident *page = rw_incident_new(accounts);
    struct rw_process_info *on_page = rw_incident_add_process(page, watched->pid);
    on_page->worker = process->worker;
    rw_recording_fill_account(page, on_page, watched->reader, recorded);
    if (on_page->test_count > 0 && !watched->is_over)
        rw_left_open_check(watched->pid, &on_page->tests[0]);
    rw_process_drop_empty_accounts(on_page);
    if (on_page->test_count == 0) {
        talloc_free(page);
        return;
    }
    talloc_steal(accounts->book, page);
    *rw_process_add_account(accounts->book, process, NULL) = on_page->tests[0];
    accounts->count++;
    watched->wants_names |= lacks_name(&on_page->tests[0]);
}

/* `until_ns`: of tests that ended later it is not known yet. */
static void take(struct rw_accounts *accounts, struct rw_watched *watched, uint64_t until_ns)
{
    const struct rw_header *header = rw_reader_header(watched->reader);
    uint64_t written = header->accounts_written;
    struct rw_account recorded;
    if (written > header->account_count && watched->accounts_taken < written - header->account_count) {
        accounts->lost += written - header->account_count - watched->accounts_taken;
        watched->accounts_taken = written - header->account_count;
    }
    while (watched->accounts_taken < written) {
        int error = rw_reader_account(watched->reader, watched->accounts_taken + 1, &recorded);
        if (error == 0 && recorded.end_ns > until_ns)
            return;
        watched->accounts_taken++;
        if (error != 0 || accounts->count >= TESTS_MAX) {
            accounts->lost++;
            continue;
        }
        enter(accounts, watched, &recorded);
    }
}

void rw_accounts_update(struct rw_accounts *accounts, struct rw_watched *watched, uint64_t now_ns)
{
    if (watched->accounts_taken < rw_reader_header(watched->reader)->accounts_written)
        take(accounts, watched, now_ns - SETTLE_NS);
}

/* The image that recorded this process's parent, whether it lives or not. */
static const struct rw_watched *image_of(const struct rw_accounts *accounts, int pid)
{
    const struct rw_watched *found = NULL;
    for (size_t i = 0; i < rw_watch_count(accounts->watch); i++) {
        const struct rw_watched *watched = rw_watch_at(accounts->watch, i);
        if (watched->pid == pid && watched->reader != NULL && (found == NULL || !watched->was_replaced))
            found = watched;
    }
    return found;
}

static const struct rw_watched *runner_of(const struct rw_accounts *accounts,
                                          const struct rw_watched *watched)
{
    for (int depth = 0; depth < KIN_DEPTH && watched != NULL; depth++) {
        watched = image_of(accounts, rw_reader_header(watched->reader)->ppid);
        if (watched != NULL && rw_reader_header(watched->reader)->test_written != 0)
            return watched;
    }
    return NULL;
}

/* When the test ended; UINT64_MAX where it has not, or that is not known any more. */
static uint64_t end_of_test(const struct rw_watched *runner, const char *name)
{
    const struct rw_header *header = rw_reader_header(runner->reader);
    struct rw_test test;
    for (uint64_t back = 0; back < header->test_count && back < header->test_written; back++) {
        int error = rw_reader_test(runner->reader, header->test_written - back, &test);
        if (error == 0 && strcmp(test.name, name) == 0)
            return test.end_ns != 0 ? test.end_ns : UINT64_MAX;
    }
    return UINT64_MAX;
}

/* A process that was seen alive after the end of the test in which it was started. */
static void take_process(struct rw_accounts *accounts, const struct rw_watched *watched)
{
    const struct rw_header *header = watched->reader != NULL ? rw_reader_header(watched->reader) : NULL;
    /* Of one in another PID namespace the recording counts its parent otherwise. */
    if (header == NULL || header->test[0] == '\0' || watched->was_replaced || watched->is_elsewhere)
        return;
    const struct rw_watched *runner = runner_of(accounts, watched);
    if (runner == NULL || end_of_test(runner, header->test) >= watched->alive_ns)
        return;
    struct rw_process_info *process = process_of(accounts, runner);
    struct rw_test_account *account = rw_process_find_account(process, header->test);
    if (account == NULL && accounts->count >= TESTS_MAX)
        return;
    if (account == NULL) {
        account =
            rw_process_add_account(accounts->book, process, talloc_strdup(accounts->book, header->test));
        accounts->count++;
    }
    rw_account_add_child(accounts->book, account, watched->pid,
                         talloc_strdup(accounts->book, rw_base_name(header->executable)));
}

static void take_processes(struct rw_accounts *accounts)
{
    for (size_t i = 0; i < rw_watch_count(accounts->watch); i++)
        take_process(accounts, rw_watch_at(accounts->watch, i));
}

void rw_accounts_gone(struct rw_accounts *accounts, struct rw_watched *watched)
{
    if (watched->reader == NULL)
        return;
    rw_reader_refresh(watched->reader);
    take(accounts, watched, UINT64_MAX);
    if (rw_reader_header(watched->reader)->test_written != 0)
        take_processes(accounts); /* nobody knows whose they are any more when it is forgotten */
    else
        take_process(accounts, watched);
}

void rw_accounts_name(struct rw_accounts *accounts, const struct rw_incident *incident)
{
    for (size_t i = 0; i < incident->process_count; i++) {
        struct rw_process_info *process =
            rw_incident_find_process(accounts->book, incident->processes[i].pid);
        for (size_t j = 0; process != NULL && j < process->test_count; j++)
            rw_account_name_threads(accounts->book, &process->tests[j], &incident->processes[i]);
    }
}

size_t rw_accounts_count(struct rw_accounts *accounts)
{
    take_processes(accounts);
    return accounts->count + accounts->lost;
}

size_t rw_accounts_lost(const struct rw_accounts *accounts)
{
    return accounts->lost;
}

json_t *rw_accounts_json(struct rw_accounts *accounts, const char *run, uint64_t now_ns)
{
    json_t *tests = json_array();
    take_processes(accounts);
    for (size_t i = 0; i < accounts->book->process_count; i++) {
        const struct rw_process_info *process = &accounts->book->processes[i];
        for (size_t j = 0; j < process->test_count; j++) {
            json_t *test = rw_test_account_to_json(&process->tests[j], now_ns);
            json_object_set_new(test, "run", json_string(run));
            json_array_append_new(tests, test);
        }
    }
    return tests;
}
