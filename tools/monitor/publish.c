/* SPDX-License-Identifier: MIT */
#include "tools/monitor/publish.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <talloc.h>

#include "tools/incident/model.h"
#include "tools/incident/words.h"
#include "tools/monitor/deltas.h"
#include "tools/monitor/summary.h"

struct rw_publisher *rw_publisher_new(void *parent, const struct rw_options *options,
                                      const struct rw_session *session, struct rw_watch *watch,
                                      struct rw_out *out)
{
    struct rw_publisher *publisher = talloc_zero(parent, struct rw_publisher);
    publisher->options = options;
    publisher->session = session;
    publisher->watch = watch;
    publisher->out = out;
    publisher->failures = rw_failures_new(publisher);
    publisher->accounts = rw_accounts_new(publisher, watch);
    return publisher;
}

void rw_publisher_note(struct rw_publisher *publisher, const char *note)
{
    publisher->notes = talloc_realloc(publisher, publisher->notes, const char *, publisher->note_count + 1);
    publisher->notes[publisher->note_count++] = note;
    rw_out_note(publisher->out, note);
}

bool rw_class_is_hang(const char *class_name)
{
    static const char *const others[] = {"slow", "idle", "unknown", "other-process"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (class_name == NULL || strcmp(class_name, others[i]) == 0)
            return false;
    return true;
}

static bool was_told(const struct rw_publisher *publisher, const struct rw_incident *incident,
                     const struct rw_verdict *verdict)
{
    char *key = rw_hang_key(NULL, incident, verdict);
    bool found = false;
    for (size_t i = 0; i < publisher->key_count && !found; i++)
        found = strcmp(publisher->keys[i], key) == 0;
    talloc_free(key);
    return found;
}

bool rw_publisher_is_news(const struct rw_publisher *publisher, struct rw_incident *incident)
{
    if (!was_told(publisher, incident, &incident->verdict))
        return true;
    /* A second hang beside one that was told: it has the word now. */
    for (size_t i = 0; i < incident->also_count; i++) {
        struct rw_verdict other = incident->also[i];
        if (!rw_class_is_hang(other.class_name) || was_told(publisher, incident, &other))
            continue;
        incident->also[i] = incident->verdict;
        incident->verdict = other;
        return true;
    }
    return false;
}

static struct rw_watched *image_of(const struct rw_publisher *publisher, int pid)
{
    for (size_t i = 0; i < rw_watch_count(publisher->watch); i++) {
        struct rw_watched *watched = rw_watch_at(publisher->watch, i);
        if (watched->pid == pid && !watched->was_replaced)
            return watched;
    }
    return NULL;
}

/* The images that the incident is about: the first one's, and its culprits'. A talloc array. */
static struct rw_watched **concerned(const struct rw_publisher *publisher, const struct rw_incident *incident,
                                     uint64_t now_ns, size_t *count)
{
    struct rw_watched **found =
        talloc_array(incident, struct rw_watched *, (unsigned)incident->process_count);
    *count = 0;
    for (size_t i = 0; i < incident->process_count; i++) {
        int pid = incident->processes[i].pid;
        bool matters = i == 0;
        for (size_t j = 0; j < incident->verdict.culprit_count; j++)
            matters |= incident->verdict.culprits[j].pid == pid;
        struct rw_watched *watched = matters ? image_of(publisher, pid) : NULL;
        if (watched == NULL)
            continue;
        watched->rules.reported_ns = now_ns;
        found[(*count)++] = watched;
    }
    return found;
}

/* The recordings that a post-mortem of this incident would need. */
static const char **keep_recordings(const struct rw_publisher *publisher, const struct rw_incident *incident,
                                    struct rw_watched **images, size_t count)
{
    const char **kept = talloc_array(incident, const char *, (unsigned)count);
    for (size_t i = 0; i < count; i++) {
        images[i]->is_kept = true;
        kept[i] = talloc_asprintf(incident, "recordings/%s/%s", publisher->session->name, images[i]->file);
    }
    return kept;
}

static void send(const struct rw_publisher *publisher, int pid, int number)
{
    const struct rw_watched *watched = rw_watch_find(publisher->watch, pid);
    if (watched != NULL) /* by descriptor: the number may be another's by now */
        syscall(SYS_pidfd_send_signal, watched->pidfd, number, NULL, 0);
}

/* Processes that wait for each other are stuck all of them: to end one would leave the others behind. */
static void act(struct rw_publisher *publisher, const struct rw_incident *incident)
{
    const struct rw_verdict *verdict = &incident->verdict;
    int number = strcmp(publisher->options->on_hang, "abort") == 0  ? SIGABRT
                 : strcmp(publisher->options->on_hang, "kill") == 0 ? SIGKILL
                                                                    : 0;
    if (number == 0 || incident->process_count == 0)
        return;
    size_t count = verdict->is_ring ? verdict->culprit_count : verdict->culprit_count > 0;
    if (count == 0)
        send(publisher, incident->processes[0].pid, number);
    for (size_t i = 0; i < count; i++) {
        bool was_sent = false;
        for (size_t j = 0; j < i && !was_sent; j++)
            was_sent = verdict->culprits[j].pid == verdict->culprits[i].pid;
        if (!was_sent)
            send(publisher, verdict->culprits[i].pid, number);
    }
}

void rw_publish(struct rw_publisher *publisher, struct rw_incident *incident, bool acts, uint64_t now_ns)
{
    publisher->keys = talloc_realloc(publisher, publisher->keys, char *, publisher->key_count + 1);
    publisher->keys[publisher->key_count++] = rw_hang_key(publisher->keys, incident, &incident->verdict);
    bool is_first = publisher->told++ == 0;
    size_t count;
    struct rw_watched **images = concerned(publisher, incident, now_ns, &count);
    for (size_t i = 0; i < publisher->note_count; i++)
        rw_incident_note(incident, "%s", publisher->notes[i]);
    if (is_first)
        publisher->first_sentence = talloc_strdup(
            publisher, incident->verdict.sentence != NULL ? incident->verdict.sentence : "not known");
    rw_accounts_name(publisher->accounts, incident);
    rw_out_set_tests(publisher->out, rw_accounts_json(publisher->accounts, publisher->session->name, now_ns));
    if (publisher->told > (size_t)publisher->options->max_incidents) {
        rw_out_count(publisher->out, incident);
    } else {
        const char *name = NULL, **recordings = keep_recordings(publisher, incident, images, count);
        int error = rw_out_add(publisher->out, incident, recordings, count, &name);
        if (error != 0 && publisher->trouble == NULL)
            publisher->trouble = talloc_asprintf(publisher, "not all could be written into %s: %s",
                                                 publisher->session->out, strerror(-error));
        if (is_first && name != NULL)
            publisher->first_report =
                talloc_asprintf(publisher, "%s/%s/report.txt", publisher->session->out, name);
        publisher->summary_bytes += rw_summary_append(incident, publisher->summary_bytes);
    }
    if (acts && rw_class_is_hang(incident->verdict.class_name) &&
        !rw_is_race_class(incident->verdict.class_name))
        act(publisher, incident);
}
