/* SPDX-License-Identifier: MIT */
/*
 * From a look to an incident on disk: each hang once, at most max_incidents of them, and then what on_hang
 * asks for.
 */
#ifndef RACEWATCH_TOOLS_MONITOR_PUBLISH_H
#define RACEWATCH_TOOLS_MONITOR_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>

#include "tools/incident/incident.h"
#include "tools/monitor/accounts.h"
#include "tools/monitor/failures.h"
#include "tools/monitor/out_folder.h"
#include "tools/monitor/session.h"
#include "tools/monitor/watch.h"
#include "tools/options/options.h"

struct rw_publisher {
    const struct rw_options *options;
    const struct rw_session *session;
    struct rw_watch *watch;
    struct rw_out *out;
    struct rw_failures *failures;
    struct rw_accounts *accounts;
    char **keys; /* hangs told already */
    size_t key_count;
    const char **notes; /* about the run: in the index and in each report */
    size_t note_count;
    size_t told; /* incidents told, those over the limit included */
    const char *first_sentence;
    const char *first_report; /* path of its report.txt */
    const char *trouble;      /* NULL, or why not all could be written, or watched */
    size_t summary_bytes;     /* appended to GITHUB_STEP_SUMMARY so far */
};

struct rw_publisher *rw_publisher_new(void *parent, const struct rw_options *options,
                                      const struct rw_session *session, struct rw_watch *watch,
                                      struct rw_out *out);

/* A sentence about the run. `note` must outlive the publisher. */
void rw_publisher_note(struct rw_publisher *publisher, const char *note);

/* Whether the verdict, or the first of `also` that has not been told, is news. Puts that one into `verdict`.
 */
bool rw_publisher_is_news(const struct rw_publisher *publisher, struct rw_incident *incident);

/* Writes it down. `acts`: on_hang applies. */
void rw_publish(struct rw_publisher *publisher, struct rw_incident *incident, bool acts, uint64_t now_ns);

/* Whether a class says that something is stuck, and not slow, idle or not known. */
bool rw_class_is_hang(const char *class_name);

#endif
