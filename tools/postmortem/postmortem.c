/* SPDX-License-Identifier: MIT */
/* A session's folder: which recordings there are, and which processes they are of. */
#include "tools/postmortem/postmortem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>

#include "tools/basics/paths.h"
#include "tools/incident/model.h"
#include "tools/incident/words.h"
#include "tools/recording/reader.h"

/* More recordings than this are not read: each keeps a descriptor open until the end. */
#define RECORDINGS_MAX 1024u

struct found {
    char *name;
    struct rw_reader *reader;
};

struct session {
    struct rw_incident *incident;
    struct found *found; /* those that can be read */
    size_t count;
    size_t refused;
    bool all_ended;
};

static bool is_recording_name(const char *name)
{
    size_t length = strlen(name);
    return name[0] != '.' && length > 4 && strcmp(name + length - 4, ".rec") == 0;
}

static int by_name(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* The names of the recordings in a folder, sorted, as a talloc array; or a negative errno. */
static int list_folder(const char *folder, void *parent, char ***names, size_t *count)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    DIR *entries = fdopendir(fd);
    if (entries == NULL) {
        int error = -errno;
        close(fd);
        return error;
    }
    *names = NULL;
    *count = 0;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (!is_recording_name(entry->d_name))
            continue;
        char **grown = talloc_realloc(parent, *names, char *, *count + 1);
        if (grown == NULL)
            break;
        *names = grown;
        (*names)[(*count)++] = talloc_strdup(parent, entry->d_name);
    }
    closedir(entries);
    if (*count > 0)
        qsort(*names, *count, sizeof((*names)[0]), by_name);
    return 0;
}

static void open_all(struct session *session, const char *folder, char **names, size_t count,
                     char **first_why)
{
    session->found = talloc_zero_array(session->incident, struct found, count + 1);
    for (size_t i = 0; i < count && session->count < RECORDINGS_MAX; i++) {
        char *path = talloc_asprintf(session->incident, "%s/%s", folder, names[i]);
        char *why;
        struct found *found = &session->found[session->count];
        if (rw_reader_open(path, &found->reader, &why) == 0) {
            found->name = names[i];
            session->count++;
        } else {
            session->refused++;
            rw_incident_note(session->incident, "%s: %s", names[i], why);
            if (*first_why == NULL)
                *first_why = talloc_asprintf(session->incident, "%s: %s", names[i], why);
            talloc_free(why);
        }
        talloc_free(path);
    }
    if (count - session->refused > session->count)
        rw_incident_note(session->incident, "%zu more recordings were not read",
                         count - session->refused - session->count);
}

static int by_beginning(const void *left, const void *right)
{
    const struct rw_header *a = rw_reader_header(((const struct found *)left)->reader);
    const struct rw_header *b = rw_reader_header(((const struct found *)right)->reader);
    if (a->created_ns != b->created_ns)
        return a->created_ns < b->created_ns ? -1 : 1;
    return (a->pid > b->pid) - (a->pid < b->pid);
}

/* The pid namespace in the name of a recording, "" for the monitor's own: the same pid means another process
 * in each. */
static const char *namespace_of(const struct found *found)
{
    const char *at = strchr(found->name, '@');
    return at != NULL ? at : "";
}

static bool is_of_one_process(const struct found *a, const struct found *b)
{
    return rw_reader_header(a->reader)->pid == rw_reader_header(b->reader)->pid &&
           strcmp(namespace_of(a), namespace_of(b)) == 0;
}

/* The recording that this process has after this one; NULL if it is the newest. */
static const struct rw_header *next_of_pid(const struct session *session, size_t index)
{
    for (size_t i = index + 1; i < session->count; i++)
        if (is_of_one_process(&session->found[i], &session->found[index]))
            return rw_reader_header(session->found[i].reader);
    return NULL;
}

/* The images that this process had before: a program that it executed took the place of each. */
static void tell_former_images(struct session *session, size_t index, struct rw_process_info *process)
{
    for (size_t i = 0; i < index; i++) {
        const struct rw_header *header = rw_reader_header(session->found[i].reader);
        if (is_of_one_process(&session->found[i], &session->found[index]) && header->exec_ns != 0)
            rw_process_note(session->incident, process,
                            "the process was %s before, and executed the program that is told of here",
                            rw_base_name(header->executable));
    }
}

/* The moment of the incident: the latest that any recording knows of. All are of one machine's clock. */
static void set_now(struct session *session)
{
    struct rw_incident *incident = session->incident;
    bool is_watched = false;
    for (size_t i = 0; i < session->count; i++) {
        uint64_t latest = rw_recording_latest_ns(session->found[i].reader);
        const struct rw_header *header = rw_reader_header(session->found[i].reader);
        if (latest < incident->now_ns)
            continue;
        incident->now_ns = latest;
        incident->realtime_s =
            ((double)header->created_realtime_ns + (double)(latest - header->created_ns)) / 1e9;
        is_watched = header->monitor_seen_ns == latest;
    }
    const char *utc = rw_utc(incident, incident->realtime_s);
    const char *when = utc != NULL ? rw_words(incident, "at %s", utc) : "at a time that is not known";
    rw_incident_note(
        incident,
        is_watched ? "made from recordings alone: this is what was known when the monitor last looked, %s"
                   : "made from recordings alone: this is what was known after the last recorded event, %s; "
                     "how long it stayed so is not known",
        when);
}

static void add_processes(struct session *session)
{
    struct rw_incident *incident = session->incident;
    const char **spaces = talloc_array(incident, const char *, session->count);
    for (size_t i = 0; i < session->count; i++) {
        const struct rw_header *header = rw_reader_header(session->found[i].reader);
        const struct rw_header *next = next_of_pid(session, i);
        if (next != NULL && header->exec_ns == 0)
            rw_incident_note(incident, "an earlier process %d (%s) ended, and its pid was used again",
                             header->pid, rw_base_name(header->executable));
        if (next != NULL)
            continue;
        spaces[incident->process_count] = namespace_of(&session->found[i]);
        struct rw_process_info *process = rw_incident_add_process(incident, header->pid);
        tell_former_images(session, i, process);
        bool has_ended = false;
        int error = rw_postmortem_process(incident, process, session->found[i].reader, &has_ended);
        session->all_ended &= error == 0 && has_ended;
        if (error != 0)
            rw_process_note(incident, process, "its recording cannot be read: %s", strerror(-error));
        if (incident->command == NULL)
            incident->command = process->name;
        if (incident->test == NULL && process->thread_count > 0)
            incident->test = process->test;
    }
    rw_postmortem_find_owners(incident, spaces);
}

static int give_up(struct rw_incident *made, void *parent, char **why, int error, const char *message)
{
    *why = talloc_strdup(parent, message);
    talloc_free(made);
    return error;
}

int rw_postmortem(const char *session_folder, void *parent, struct rw_incident **incident,
                  const char **all_ended, char **why)
{
    *incident = NULL;
    *why = NULL;
    struct session session = {.incident = rw_incident_new(parent)};
    char **names = NULL;
    size_t count = 0;
    int error = list_folder(session_folder, session.incident, &names, &count);
    if (error != 0)
        return give_up(session.incident, parent, why, error, strerror(-error));
    if (count == 0)
        return give_up(session.incident, parent, why, -ENOENT, "there are no recordings in it");
    char *first_why = NULL;
    open_all(&session, session_folder, names, count, &first_why);
    if (session.count == 0)
        return give_up(session.incident, parent, why, -ENOENT, first_why);

    qsort(session.found, session.count, sizeof(session.found[0]), by_beginning);
    session.incident->version = RW_VERSION;
    session.incident->trigger = "post-mortem";
    session.incident->trigger_detail =
        talloc_asprintf(session.incident, "from %zu recording%s, without the processes", session.count,
                        session.count == 1 ? "" : "s");
    set_now(&session);
    session.all_ended = true;
    add_processes(&session);
    for (size_t i = 0; i < session.count; i++)
        rw_reader_close(session.found[i].reader);
    *incident = session.incident;
    *all_ended =
        !session.all_ended ? NULL
        : session.refused == 0
            ? "every recorded process ended in order"
            : talloc_asprintf(session.incident, "%s, and every other process ended in order", first_why);
    return 0;
}
