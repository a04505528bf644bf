/* SPDX-License-Identifier: MIT */
/*
 * The parts of a report, one function each. Internal to tools/report.
 */
#ifndef RACEWATCH_TOOLS_REPORT_SECTIONS_H
#define RACEWATCH_TOOLS_REPORT_SECTIONS_H

#include "tools/incident/incident.h"
#include "tools/report/page.h"

/* "cycle in t.py::test_x, for 12.3 s (exact)" */
char *rw_headline(void *ctx, const struct rw_incident *incident, const struct rw_verdict *verdict);

/* Of a long list the beginning and the end are shown: a ring of five hundred is read by nobody, and
 * incident.json has all of it. */
#define RW_LIST_HEAD 16u
#define RW_LIST_TAIL 4u

/* How many elements are left out before element `at`: not 0 for the first one of the end alone. */
size_t rw_list_left_out(size_t at, size_t count);
/* Whether the element is shown. */
bool rw_list_shows(size_t at, size_t count);

/* A step of "who waits for whom": the lines for one culprit, the first one being the thread and what it does.
 */
size_t rw_step_lines(void *ctx, const struct rw_incident *incident, const struct rw_culprit *culprit,
                     char ***lines);

/* The thread's role in the verdict, NULL if it has none. */
const char *rw_role_of(const struct rw_incident *incident, const struct rw_process_info *process,
                       const struct rw_thread *thread);

void rw_section_threads(struct rw_page *page, const struct rw_incident *incident,
                        const struct rw_process_info *process);
#define RW_ACCOUNTS_HEADING "What tests left behind"
/* A line or two for each account, without a heading. Nothing where they left nothing. */
void rw_section_accounts(struct rw_page *page, const struct rw_test_account *accounts, size_t count);
void rw_section_interpreters(struct rw_page *page, const struct rw_incident *incident,
                             const struct rw_process_info *process);
/* Tasks of event loops. Nothing where there are none. */
void rw_section_tasks(struct rw_page *page, const struct rw_process_info *process);
void rw_section_story(struct rw_page *page, const struct rw_incident *incident,
                      const struct rw_process_info *process);

/* Threads whose stacks and waits look alike, for folding. */
struct rw_thread_group {
    const struct rw_thread **threads;
    size_t count;
    char **lines; /* the stack that they share */
    size_t line_count;
};
/* Main first, then those with a role that the answer shows, each alone; then the others, equal ones together.
 * Children of `ctx`. */
size_t rw_group_threads(void *ctx, const struct rw_incident *incident, const struct rw_process_info *process,
                        struct rw_thread_group **groups);

/* Processes that look alike: the same program, and threads that do the same at the same places. */
struct rw_process_group {
    const struct rw_process_info **processes; /* the first one stands for all */
    size_t count;
};
/* In the order of their first ones; equal ones together where there are more than RW_LIST_HEAD of them in
 * all, each alone otherwise. Children of `ctx`. Returns how many groups. */
size_t rw_group_processes(void *ctx, const struct rw_incident *incident,
                          const struct rw_process_info *const *processes, size_t count,
                          struct rw_process_group **groups);

/* "12, 13, 14 and 480 more" */
char *rw_pid_words(void *ctx, const struct rw_process_info *const *processes, size_t count);

#endif
