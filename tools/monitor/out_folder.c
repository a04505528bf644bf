/* SPDX-License-Identifier: MIT */
#include "tools/monitor/out_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

#include "tools/basics/files.h"
#include "tools/incident/index_file.h"
#include "tools/incident/json.h"
#include "tools/incident/model.h"
#include "tools/report/report.h"

#define INDEX "index.json"
#define NUMBER_MAX 999999

struct rw_out {
    int fd;
    const char *path;
    const char *run;
    const char *command;
    json_t *incidents; /* of this run */
    json_t *tests;     /* the same */
    json_t *notes;
    size_t counted;
    bool is_locked_out;
};

static int destroy(struct rw_out *out)
{
    json_decref(out->incidents);
    json_decref(out->tests);
    json_decref(out->notes);
    return 0;
}

struct rw_out *rw_out_new(void *parent, int fd, const char *path, const char *run, const char *command)
{
    struct rw_out *out = talloc_zero(parent, struct rw_out);
    out->fd = fd;
    out->path = talloc_strdup(out, path);
    out->run = talloc_strdup(out, run);
    out->command = talloc_strdup(out, command);
    out->incidents = json_array();
    out->tests = json_array();
    out->notes = json_array();
    talloc_set_destructor(out, destroy);
    return out;
}

void rw_out_set_command(struct rw_out *out, const char *command)
{
    out->command = talloc_strdup(out, command);
}

void rw_out_set_tests(struct rw_out *out, json_t *tests)
{
    json_decref(out->tests);
    out->tests = tests;
}

void rw_out_note(struct rw_out *out, const char *note)
{
    json_array_append_new(out->notes, json_string(note));
}

/* A string of the program's may be no UTF-8; the incident's own JSON has it escaped, the index leaves it out.
 */
static json_t *text(const char *string)
{
    json_t *value = string != NULL ? json_string(string) : NULL;
    return value != NULL ? value : json_null();
}

/* `write` fills a new file beside the one that it then replaces. */
static int write_file(int folder, const char *name, int (*write)(const void *what, FILE *file),
                      const void *what)
{
    char temporary[64];
    snprintf(temporary, sizeof(temporary), ".%s.%d", name, (int)getpid());
    int fd = rw_new_file(folder, temporary);
    if (fd < 0)
        return fd;
    FILE *file = fdopen(fd, "w");
    if (file == NULL) {
        close(fd);
        return -ENOMEM;
    }
    errno = 0;
    int error = write(what, file);
    if (error == 0 && (fflush(file) != 0 || ferror(file)))
        error = errno != 0 ? -errno : -EIO;
    if (fclose(file) != 0 && error == 0)
        error = -errno;
    /* The beginning of a report is worth more than none: what fitted takes the name, too. The index is
     * different: the old one is whole. */
    bool keep = error == 0 || strcmp(name, INDEX) != 0;
    if (keep && renameat(folder, temporary, folder, name) != 0) {
        error = error != 0 ? error : -errno;
        keep = false;
    }
    if (!keep)
        unlinkat(folder, temporary, 0);
    return error;
}

static int write_json(const void *what, FILE *file)
{
    const struct rw_incident *incident = what;
    return rw_incident_write(incident, file);
}

static int write_text(const void *what, FILE *file)
{
    const struct rw_incident *incident = what;
    return rw_report_text(incident, file);
}

static int write_index_json(const void *what, FILE *file)
{
    const json_t *index = what;
    if (json_dumpf(index, file, RW_JSON_FLAGS) != 0)
        return -EIO;
    fputc('\n', file);
    return 0;
}

/* A name of ours, and a folder that is there. */
static bool is_incident_folder(int folder, const char *name)
{
    struct stat status;
    return name != NULL && *name != '\0' && *name != '.' && strchr(name, '/') == NULL &&
           fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode);
}

/* Incidents of other runs whose folders are still there, then ours. */
static json_t *all_incidents(struct rw_out *out, json_t *old_index)
{
    json_t *all = json_array(), *entry;
    size_t i;
    json_array_foreach(json_object_get(old_index, "incidents"), i, entry)
    {
        const char *run = json_string_value(json_object_get(entry, "run"));
        const char *path = json_string_value(json_object_get(entry, "path"));
        if (run != NULL && strcmp(run, out->run) != 0 && is_incident_folder(out->fd, path))
            json_array_append(all, entry);
    }
    json_array_extend(all, out->incidents);
    return all;
}

/* Tests of other runs that have incidents here, then ours. */
static json_t *all_tests(struct rw_out *out, json_t *old_index, json_t *incidents)
{
    json_t *all = json_array(), *test, *incident;
    size_t i, j;
    json_array_foreach(json_object_get(old_index, "tests"), i, test)
    {
        const char *run = json_string_value(json_object_get(test, "run"));
        bool is_kept = false;
        json_array_foreach(incidents, j, incident)
        {
            const char *other = json_string_value(json_object_get(incident, "run"));
            is_kept |= run != NULL && other != NULL && strcmp(run, other) == 0;
        }
        if (is_kept && strcmp(run, out->run) != 0)
            json_array_append(all, test);
    }
    json_array_extend(all, out->tests);
    return all;
}

/* Somebody else's file of that name, or one of ours that cannot be read any more, is not ours to throw away.
 */
static void put_aside(struct rw_out *out)
{
    struct stat status;
    char name[32];
    if (fstatat(out->fd, INDEX, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    for (int i = 1; i <= 99; i++) {
        snprintf(name, sizeof(name), INDEX ".%d", i);
        if (renameat2(out->fd, INDEX, out->fd, name, RENAME_NOREPLACE) == 0) {
            char *note = talloc_asprintf(out, "%s was here already and is none of racewatch's: it is %s now",
                                         INDEX, name);
            rw_out_note(out, note);
            talloc_free(note);
            return;
        }
    }
}

int rw_out_write_index(struct rw_out *out, int exit_status)
{
    int lock = openat(out->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0)
        return -errno;
    /* A note of its own where somebody else holds it: what the index had from another run at this moment may
     * be lost, and nothing else. */
    if (!out->is_locked_out && !rw_lock(lock)) {
        out->is_locked_out = true;
        rw_out_note(
            out,
            "the folder was locked by somebody else for two seconds: its index was written all the same");
    }
    bool is_unknown;
    json_t *old_index = rw_index_read(out->fd, INDEX, &is_unknown);
    if (is_unknown) { /* what it tells of other runs is not ours to lose */
        close(lock);
        return -EIO;
    }
    if (old_index == NULL)
        put_aside(out);
    json_t *index = json_object();
    json_object_set_new(index, "schema", json_integer(RW_INCIDENT_SCHEMA));
    json_object_set_new(index, "command", text(out->command));
    json_object_set_new(index, "exit", exit_status >= 0 ? json_integer(exit_status) : json_null());
    json_object_set_new(index, "run", text(out->run));
    json_t *incidents = all_incidents(out, old_index);
    json_object_set_new(index, "incidents", incidents);
    json_object_set_new(index, "tests", all_tests(out, old_index, incidents));
    json_object_set_new(index, "not_kept", json_integer((json_int_t)out->counted));
    json_object_set(index, "notes", out->notes);
    int error = write_file(out->fd, INDEX, write_index_json, index);
    json_decref(old_index);
    json_decref(index);
    close(lock);
    return error;
}

/* The class becomes part of a path. */
static char *folder_class(void *parent, const char *class_name)
{
    char *word = talloc_strndup(parent, class_name != NULL ? class_name : "unknown", 40);
    for (char *c = word; *c != '\0'; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-'))
            *c = '_';
    return word;
}

static int make_folder(struct rw_out *out, const char *class_name, char **name)
{
    char *word = folder_class(out, class_name);
    int fd = -EEXIST;
    *name = NULL;
    /* Numbers go on over runs: 001 of any class taken means 002. Two runs that take the same number at once
     * differ in their class, or one of them goes on to the next. */
    int number = 1;
    json_t *old_index = rw_index_read(out->fd, INDEX, NULL), *entry;
    size_t i;
    json_array_foreach(json_object_get(old_index, "incidents"), i, entry)
    {
        const char *path = json_string_value(json_object_get(entry, "path"));
        int taken = path != NULL ? atoi(path) : 0;
        if (taken >= number && taken < NUMBER_MAX)
            number = taken + 1;
    }
    json_decref(old_index);
    for (; fd == -EEXIST && number <= NUMBER_MAX; number++) {
        *name = talloc_asprintf(out, "%03d-%s", number, word);
        if (mkdirat(out->fd, *name, 0700) != 0) {
            fd = -errno;
            continue;
        }
        fd = openat(out->fd, *name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            fd = -errno;
    }
    talloc_free(word);
    if (fd < 0)
        *name = NULL;
    return fd;
}

static json_t *index_entry(struct rw_out *out, const struct rw_incident *incident, const char *name)
{
    const struct rw_verdict *verdict = &incident->verdict;
    json_t *entry = json_object();
    json_object_set_new(entry, "class", text(verdict->class_name));
    json_object_set_new(entry, "sentence", text(verdict->sentence));
    json_object_set_new(entry, "certainty", text(rw_certainty_name(verdict->certainty)));
    json_object_set_new(entry, "test", text(verdict->test != NULL ? verdict->test : incident->test));
    json_object_set_new(entry, "path", text(name));
    json_object_set_new(entry, "trigger", text(incident->trigger));
    json_object_set_new(entry, "look_at", text(verdict->look_at));
    json_object_set_new(entry, "realtime_s", json_real(incident->realtime_s));
    if (incident->process_count > 0) {
        json_object_set_new(entry, "pid", json_integer(incident->processes[0].pid));
        json_object_set_new(entry, "process", text(incident->processes[0].name));
    }
    json_object_set_new(entry, "run", text(out->run));
    return entry;
}

int rw_out_add(struct rw_out *out, const struct rw_incident *incident, const char *const *recordings,
               size_t recording_count, const char **name)
{
    char *folder_name = NULL;
    int folder = make_folder(out, incident->verdict.class_name, &folder_name);
    *name = folder_name;
    if (folder < 0)
        return folder;
    int error = write_file(folder, "report.txt", write_text, incident);
    int json_error = write_file(folder, "incident.json", write_json, incident);
    close(folder);
    json_t *entry = index_entry(out, incident, folder_name);
    json_t *list = json_array();
    for (size_t i = 0; i < recording_count; i++)
        json_array_append_new(list, text(recordings[i]));
    json_object_set_new(entry, "recordings", list);
    json_array_append_new(out->incidents, entry);
    int index_error = rw_out_write_index(out, -1);
    return error != 0 ? error : json_error != 0 ? json_error : index_error;
}

void rw_out_count(struct rw_out *out, const struct rw_incident *incident)
{
    char *note =
        talloc_asprintf(out, "not kept, over max_incidents: %s: %s",
                        incident->verdict.class_name != NULL ? incident->verdict.class_name : "unknown",
                        incident->verdict.sentence != NULL ? incident->verdict.sentence : "");
    out->counted++;
    if (json_array_size(out->notes) < 200)
        rw_out_note(out, note);
    talloc_free(note);
    rw_out_write_index(out, -1);
}
