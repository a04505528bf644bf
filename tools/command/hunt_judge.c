/* SPDX-License-Identifier: MIT */
/* What a run failed by: its incidents, or else the way in which it ended. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

#include "tools/command/found.h"
#include "tools/command/hunt.h"
#include "tools/incident/json.h"
#include "tools/incident/model.h"
#include "tools/incident/words.h"
#include "tools/monitor/publish.h"

#define KEPT_MAX 50
#define LINE_MAX_SHOWN 200

static struct hunt_failure *find(struct hunt *hunt, const char *key)
{
    for (size_t i = 0; i < hunt->failure_count; i++)
        if (strcmp(hunt->failures[i].key, key) == 0)
            return &hunt->failures[i];
    return NULL;
}

/* Whether a thread of the verdict waits for the GIL there. */
static bool is_asked_for_gil(const struct rw_incident *incident, const char *place)
{
    void *scratch = talloc_new(NULL);
    bool is_asked = false;
    for (size_t i = 0; place != NULL && i < incident->verdict.culprit_count; i++) {
        const struct rw_culprit *culprit = &incident->verdict.culprits[i];
        const struct rw_process_info *process = rw_incident_find_process(incident, culprit->pid);
        const struct rw_thread *thread =
            process != NULL ? rw_process_find_thread(process, culprit->tid) : NULL;
        if (thread == NULL || thread->waits_on == NULL || strcmp(thread->waits_on->kind, "gil") != 0)
            continue;
        const char *where = rw_file_place(scratch, thread);
        is_asked |= where != NULL && strcmp(where, place) == 0;
    }
    talloc_free(scratch);
    return is_asked;
}

/* The same failure has the same class and the same places, from whichever side it was seen. Who is in a ring
 * with the GIL may ask for that at any line. Where no place is known it is the parts that its threads play.
 * Names and numbers of threads differ from run to run. */
static char *key_of(void *parent, const struct rw_incident *incident)
{
    const struct rw_verdict *verdict = &incident->verdict;
    const char *a = is_asked_for_gil(incident, verdict->look_at) ? "the GIL" : verdict->look_at,
               *b = is_asked_for_gil(incident, verdict->look_at_also) ? "the GIL" : verdict->look_at_also;
    if (a != NULL && b != NULL && strcmp(a, b) > 0) {
        const char *first = b;
        b = a;
        a = first;
    }
    char *key =
        talloc_asprintf(parent, "%s|%s|%s", verdict->class_name, a != NULL ? a : "", b != NULL ? b : "");
    for (size_t i = 0; a == NULL && i < verdict->culprit_count; i++)
        key = talloc_asprintf_append(key, "|%s", verdict->culprits[i].role);
    return key;
}

static const char *what_of(const char *class_name)
{
    static const struct {
        const char *class_name, *what;
    } words[] = {
        {"crash", "crashes"},    {"late-thread", "races"},      {"interpreter-race", "races"},
        {"bad-join", "races"},   {"destroyed-in-use", "races"}, {"foreign-unlock", "races"},
        {"lock-order", "races"}, {"fork-with-lock", "races"},   {"data-race", "races"},
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(words[i].class_name, class_name) == 0)
            return words[i].what;
    return "hangs";
}

/* What a run failed by. */
struct found {
    struct hunt_failure *failures; /* a talloc array */
    size_t count;
};

static void add(void *parent, struct found *found, const struct hunt_failure *failure)
{
    found->failures =
        talloc_realloc(parent, found->failures, struct hunt_failure, (unsigned)found->count + 1);
    found->failures[found->count++] = *failure;
}

static void count(struct hunt *hunt, enum hunt_how how, uint64_t seed, const struct hunt_failure *found)
{
    struct hunt_failure *failure = find(hunt, found->key);
    if (failure == NULL) {
        hunt->failures =
            talloc_realloc(hunt, hunt->failures, struct hunt_failure, (unsigned)hunt->failure_count + 1);
        failure = &hunt->failures[hunt->failure_count++];
        *failure = *found;
    }
    if (how != HUNT_PLAIN && failure->perturbed == 0) {
        failure->seed = seed;
        failure->how = how;
        failure->steer = hunt->aim != NULL ? hunt->aim->steer : NULL;
    }
    *(how == HUNT_PLAIN ? &failure->plain : &failure->perturbed) += 1;
}

static bool is_exception_name(const char *word, size_t length)
{
    static const char *const ends[] = {"Error", "Exception", "Interrupt", "Exit", "Group", "Failed"};
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)word[i]) && word[i] != '_' && word[i] != '.')
            return false;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t end = strlen(ends[i]);
        if (length >= end && strncmp(word + length - end, ends[i], end) == 0)
            return true;
    }
    return false;
}

/* The last line that names an exception, as Python prints it, or as pytest does after "E". NULL if there is
 * none. */
static char *last_exception(void *parent, const char *folder, const char *name)
{
    char *path = talloc_asprintf(NULL, "%s/%s", folder, name), *line = NULL, *found = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "re");
    talloc_free(path);
    while (file != NULL && getline(&line, &size, file) > 0) {
        line[strcspn(line, "\r\n")] = '\0';
        const char *text = line;
        if (text[0] == 'E' && text[1] == ' ')
            text += 1 + strspn(text + 1, " ");
        if (!is_exception_name(text, strcspn(text, ": ")))
            continue;
        talloc_free(found);
        found = talloc_strndup(parent, text, LINE_MAX_SHOWN);
    }
    free(line);
    if (file != NULL)
        fclose(file);
    return found;
}

/* Without addresses and numbers, which differ from run to run. */
static char *without_numbers(void *parent, const char *text)
{
    char *out = talloc_strdup(parent, text);
    size_t length = 0;
    for (const char *at = text; *at != '\0';) {
        size_t digits =
            strncmp(at, "0x", 2) == 0 ? 2 + strspn(at + 2, "0123456789abcdef") : strspn(at, "0123456789");
        out[length++] = digits > 0 ? '#' : *at;
        at += digits > 0 ? digits : 1;
    }
    out[length] = '\0';
    return out;
}

static struct hunt_failure by_status(const struct hunt *hunt, void *parent, int status, bool is_endless)
{
    char *line = last_exception(parent, hunt->scratch, "stderr");
    if (line == NULL)
        line = last_exception(parent, hunt->scratch, "stdout");
    char *how = is_endless ? talloc_strdup(parent, "it did not end")
                : status > 128
                    ? talloc_asprintf(parent, "SIG%s",
                                      sigabbrev_np(status - 128) != NULL ? sigabbrev_np(status - 128) : "?")
                    : talloc_asprintf(parent, "exit status %d", status);
    bool is_crash = !is_endless && status > 128;
    return (struct hunt_failure){
        .key = talloc_asprintf(parent, "%s|%s", how, line != NULL ? without_numbers(parent, line) : ""),
        .what = is_endless ? "hangs"
                : is_crash ? "crashes"
                           : "fails",
        .class = "exit",
        .sentence = line != NULL ? talloc_asprintf(parent, "%s, %s", how, line) : how,
    };
}

static struct hunt_failure by_incident(const struct hunt *hunt, void *parent, const char *path,
                                       const struct rw_incident *incident)
{
    const struct rw_verdict *verdict = &incident->verdict;
    const char *test = verdict->test != NULL ? verdict->test : incident->test;
    const char *inside = path + strlen(hunt->scratch), *slash = strrchr(inside, '/');
    return (struct hunt_failure){
        .key = key_of(parent, incident),
        .what = what_of(verdict->class_name),
        .class = talloc_strdup(parent, verdict->class_name),
        .sentence = talloc_strdup(parent, verdict->sentence != NULL ? verdict->sentence : ""),
        .test = test != NULL && *test != '\0' ? talloc_strdup(parent, test) : NULL,
        .report =
            talloc_asprintf(parent, "%.*s/report.txt", slash != NULL ? (int)(slash - inside) : 0, inside),
    };
}

/* What a run told. */
struct told {
    struct rw_found folder;
    const struct rw_incident **incidents; /* as in the folder; NULL for one that cannot be read */
};

static struct told read_told(const struct hunt *hunt, void *scratch)
{
    struct told told = {0};
    char *why = NULL;
    if (rw_find(scratch, hunt->scratch, &told.folder, &why) != 0)
        told.folder.incident_count = 0;
    told.incidents = talloc_array(scratch, const struct rw_incident *, (unsigned)told.folder.incident_count);
    for (size_t i = 0; i < told.folder.incident_count; i++)
        told.incidents[i] = rw_incident_read(scratch, told.folder.incidents[i], O_NOFOLLOW, &why);
    return told;
}

static bool is_unknown(const struct rw_incident *incident)
{
    return incident != NULL && strcmp(incident->verdict.class_name, "unknown") == 0;
}

bool rw_hunt_is_unexplained(void *context)
{
    const struct hunt *hunt = context;
    void *scratch = talloc_new(NULL);
    struct told told = read_told(hunt, scratch);
    bool is_unexplained = false;
    for (size_t i = 0; i < told.folder.incident_count; i++)
        is_unexplained |= is_unknown(told.incidents[i]);
    talloc_free(scratch);
    return is_unexplained;
}

/* What a run that had to be ended is to be told by, where no rule explains it. */
static void add_unknown(const struct hunt *hunt, void *parent, const struct told *told, struct found *found)
{
    for (size_t i = 0; i < told->folder.incident_count && found->count == 0; i++) {
        if (!is_unknown(told->incidents[i]))
            continue;
        struct hunt_failure failure =
            by_incident(hunt, parent, told->folder.incidents[i], told->incidents[i]);
        add(parent, found, &failure);
    }
}

/* What is merely slow, idle or not understood is no failure; the run's end tells. */
static struct found look(const struct hunt *hunt, void *parent, const struct told *told, int status,
                         bool is_endless)
{
    struct found found = {0};
    for (size_t i = 0; i < told->folder.incident_count; i++) {
        const struct rw_incident *incident = told->incidents[i];
        if (incident == NULL || !rw_class_is_hang(incident->verdict.class_name))
            continue;
        struct hunt_failure failure = by_incident(hunt, parent, told->folder.incidents[i], incident);
        add(parent, &found, &failure);
    }
    if (found.count == 0 && is_endless)
        add_unknown(hunt, parent, told, &found);
    if (found.count == 0 && (status != 0 || is_endless)) {
        struct hunt_failure failure = by_status(hunt, parent, status, is_endless);
        add(parent, &found, &failure);
    }
    return found;
}

bool rw_hunt_failed_alike(const struct hunt *hunt, const char *key, int status, bool is_endless)
{
    void *scratch = talloc_new(NULL);
    struct told told = read_told(hunt, scratch);
    struct found found = look(hunt, scratch, &told, status, is_endless);
    bool is_alike = false;
    for (size_t i = 0; i < found.count; i++)
        is_alike |= strcmp(found.failures[i].key, key) == 0;
    talloc_free(scratch);
    return is_alike;
}

/* Keeps the run's folder under a name of its own. A hunt before this one may have left some. */
static const char *keep(struct hunt *hunt, const char *class_name)
{
    for (int number = 1; hunt->kept < KEPT_MAX && number < 10000; number++) {
        char *path = talloc_asprintf(hunt, "%s/hunt-%03d-%s", hunt->out, number, class_name);
        if (access(path, F_OK) != 0) {
            hunt->kept++;
            return rename(hunt->scratch, path) == 0 ? path : NULL;
        }
        talloc_free(path);
    }
    return NULL;
}

bool rw_hunt_judge(struct hunt *hunt, enum hunt_how how, uint64_t seed, int status, bool is_endless)
{
    size_t known = hunt->failure_count;
    void *scratch = talloc_new(NULL);
    struct told told = read_told(hunt, scratch);
    for (size_t i = 0; i < told.folder.incident_count; i++)
        if (told.incidents[i] != NULL)
            rw_hunt_candidates_see(hunt, how, seed, told.incidents[i]);
    struct found found = look(hunt, hunt, &told, status, is_endless);
    talloc_free(scratch);
    for (size_t i = 0; i < found.count; i++)
        count(hunt, how, seed, &found.failures[i]);
    bool has_failed = found.count > 0;
    talloc_free(found.failures);
    if (hunt->failure_count > known) {
        const char *path = keep(hunt, hunt->failures[known].class);
        for (size_t i = known; i < hunt->failure_count; i++) {
            struct hunt_failure *failure = &hunt->failures[i];
            failure->path = path;
            failure->report = path != NULL && failure->report != NULL
                                  ? talloc_asprintf(hunt, "%s%s", path, failure->report)
                                  : NULL;
        }
    }
    if (has_failed && how != HUNT_PLAIN)
        hunt->failed_runs++;
    return has_failed;
}
