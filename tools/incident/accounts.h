/* SPDX-License-Identifier: MIT */
/* What tests left behind, in the model: whose the processes are that tests started, and how it is said. */
#ifndef RACEWATCH_TOOLS_INCIDENT_ACCOUNTS_H
#define RACEWATCH_TOOLS_INCIDENT_ACCOUNTS_H

#include "tools/incident/incident.h"

/* A new account, with nothing in it; pointer valid until the next one of the process. */
struct rw_test_account *rw_process_add_account(struct rw_incident *incident, struct rw_process_info *process,
                                               const char *test);
/* The youngest one of that test, or NULL. */
struct rw_test_account *rw_process_find_account(const struct rw_process_info *process, const char *test);
void rw_account_add_thread(struct rw_incident *incident, struct rw_test_account *account, int tid,
                           const char *name);
void rw_account_add_interpreter(struct rw_incident *incident, struct rw_test_account *account, int64_t id);
/* Not again where it is there already. */
void rw_account_add_child(struct rw_incident *incident, struct rw_test_account *account, int pid,
                          const char *name);
void rw_account_add_descriptor(struct rw_incident *incident, struct rw_test_account *account,
                               const struct rw_left_open *descriptor);

/* Takes out those of the process that are empty. */
void rw_process_drop_empty_accounts(struct rw_process_info *process);

/* The process that ran the test in which this one was started, where that test is over: the nearest one that
 * runs tests, among those that started it. NULL if nobody is known to have left it behind. */
const struct rw_process_info *rw_left_by(const struct rw_incident *incident,
                                         const struct rw_process_info *process);

/* Gives the account's threads the names that the process knows, which may be of another incident. */
void rw_account_name_threads(struct rw_incident *incident, struct rw_test_account *account,
                             const struct rw_process_info *process);

/* Once all processes are there: enters those that tests left behind into the accounts, and gives the threads
 * in them the names that are known by now. */
void rw_accounts_complete(struct rw_incident *incident);

/* "thread 'keeper' (tid 12), process 34 (sleep), fd 7 (pipe:[123], to write)". A child of `ctx`. */
char *rw_account_words(void *ctx, const struct rw_test_account *account);
/* "fd 7 (pipe:[123], to write)" */
char *rw_left_open_words(void *ctx, const struct rw_left_open *descriptor);

#endif
