/* SPDX-License-Identifier: MIT */
/*
 * racewatch collect: one archive of everything that runs left under a folder, for a CI to keep. index.json at
 * its root names every incident of every folder with its place in the archive; summary.txt says the same to
 * people.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <talloc.h>

#include "tools/command/archive.h"
#include "tools/command/commands.h"
#include "tools/incident/incident.h"
#include "tools/incident/index_file.h"
#include "tools/incident/json.h"
#include "tools/incident/utf8.h"

#define FILES_MAX 20000
#define FILE_BYTES_MAX ((off_t)1024 * 1024 * 1024)
#define DEPTH_MAX 32

struct arguments {
    const char *dir;
    const char *file;
};

struct pack {
    void *scratch;
    size_t root; /* length of the folder's path and its slash */
    char **files;
    size_t count;
    json_t *incidents, *tests, *notes; /* of all indexes */
    json_t *runs;
    json_int_t not_kept;
    char *untold; /* what there is to say of recordings that no incident tells of; "" if there is nothing */
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    if (key == 'o') {
        arguments->file = argument;
        return 0;
    }
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    if (arguments->dir != NULL)
        rw_usage_error("one folder at a time");
    arguments->dir = argument;
    return 0;
}

/* nftw hands nothing on to its callback. */
static struct pack *walked;

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* A folder may hold other people's files, too (Bazel's undeclared outputs): only ours are packed. */
static bool is_ours(const char *path)
{
    return ends_with(path, "/report.txt") || ends_with(path, "/incident.json") ||
           ends_with(path, "/index.json") ||
           ((ends_with(path, ".rec") || ends_with(path, ".maps") || ends_with(path, ".schedule")) &&
            strstr(path, "/recordings/") != NULL);
}

static bool is_foreign_index(const char *path)
{
    json_t *index = ends_with(path, "/index.json") ? rw_index_read(AT_FDCWD, path, NULL) : NULL;
    bool is_foreign = ends_with(path, "/index.json") && index == NULL;
    json_decref(index);
    return is_foreign;
}

static int visit(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)at;
    if (type != FTW_F || !S_ISREG(status->st_mode) || status->st_size > FILE_BYTES_MAX ||
        walked->count >= FILES_MAX || !is_ours(path) || is_foreign_index(path))
        return 0;
    walked->files = talloc_realloc(walked->scratch, walked->files, char *, walked->count + 1);
    walked->files[walked->count++] = talloc_strdup(walked->scratch, path);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Paths of one folder's index, made relative to the archive's root. */
static json_t *in_archive(const char *folder, int length, const char *inside)
{
    return json_sprintf("%.*s%s", length, folder, inside);
}

static void read_index(struct pack *pack, const char *path)
{
    json_t *index = rw_index_read(AT_FDCWD, path, NULL), *incident, *recording;
    size_t i, j;
    if (index == NULL)
        return;
    const char *relative = path + pack->root;
    int prefix = (int)(strlen(relative) - strlen("index.json"));
    json_array_foreach(json_object_get(index, "incidents"), i, incident)
    {
        json_t *copy = json_deep_copy(incident);
        const char *inside = json_string_value(json_object_get(incident, "path"));
        if (inside != NULL)
            json_object_set_new(copy, "path", in_archive(relative, prefix, inside));
        json_t *recordings = json_array();
        json_array_foreach(json_object_get(incident, "recordings"), j, recording)
        {
            if (json_is_string(recording))
                json_array_append_new(recordings, in_archive(relative, prefix, json_string_value(recording)));
        }
        json_object_set_new(copy, "recordings", recordings);
        json_array_append_new(pack->incidents, copy);
    }
    json_t *run = json_object();
    json_object_set_new(run, "path", json_sprintf("%.*s", prefix > 0 ? prefix - 1 : 0, relative));
    json_object_set(run, "command", json_object_get(index, "command"));
    json_object_set(run, "exit", json_object_get(index, "exit"));
    json_object_set(run, "run", json_object_get(index, "run"));
    json_array_append_new(pack->runs, run);
    json_array_extend(pack->tests, json_object_get(index, "tests"));
    json_array_extend(pack->notes, json_object_get(index, "notes"));
    pack->not_kept += json_integer_value(json_object_get(index, "not_kept"));
    json_decref(index);
}

static json_t *make_index(struct pack *pack)
{
    json_t *index = json_object(), *files = json_array();
    const json_t *only = json_array_size(pack->runs) == 1 ? json_array_get(pack->runs, 0) : NULL;
    static const char *const of_one_run[] = {"command", "exit", "run"};
    json_object_set_new(index, "schema", json_integer(RW_INCIDENT_SCHEMA));
    for (size_t i = 0; i < sizeof(of_one_run) / sizeof(of_one_run[0]); i++) {
        json_t *value = json_object_get(only, of_one_run[i]);
        json_object_set(index, of_one_run[i], value != NULL ? value : json_null());
    }
    json_object_set(index, "incidents", pack->incidents);
    json_object_set(index, "tests", pack->tests);
    json_object_set_new(index, "not_kept", json_integer(pack->not_kept));
    json_object_set(index, "notes", pack->notes);
    json_object_set(index, "runs", pack->runs);
    for (size_t i = 0; i < pack->count; i++)
        if (strcmp(pack->files[i] + pack->root, "index.json") != 0)
            json_array_append_new(files, json_string(pack->files[i] + pack->root));
    json_object_set_new(index, "files", files);
    return index;
}

/* Recordings that no incident tells of: where a run was killed with its monitor they are all that is left. */
static void find_untold(struct pack *pack)
{
    json_t *incident, *recording;
    size_t count = 0, i, j;
    for (size_t file = 0; file < pack->count; file++) {
        const char *name = pack->files[file] + pack->root;
        bool is_told = !ends_with(name, ".rec");
        json_array_foreach(pack->incidents, i, incident)
        {
            json_array_foreach(json_object_get(incident, "recordings"), j, recording) is_told |=
                strcmp(json_string_value(recording), name) == 0;
        }
        count += !is_told;
    }
    pack->untold = count == 0
                       ? talloc_strdup(pack->scratch, "")
                       : talloc_asprintf(pack->scratch,
                                         "%zu recording%s that no incident tells of: `racewatch report` "
                                         "on the folder says how %s process%s ended",
                                         count, count == 1 ? "" : "s", count == 1 ? "its" : "their",
                                         count == 1 ? "" : "es");
}

static char *make_summary(struct pack *pack)
{
    json_t *incident;
    size_t i;
    char *text =
        talloc_asprintf(pack->scratch, "racewatch: %zu incident%s in %zu folder%s\n",
                        json_array_size(pack->incidents), json_array_size(pack->incidents) == 1 ? "" : "s",
                        json_array_size(pack->runs), json_array_size(pack->runs) == 1 ? "" : "s");
    json_array_foreach(pack->incidents, i, incident)
    {
        void *raw = talloc_new(pack->scratch);
        const char *class_name = json_string_value(json_object_get(incident, "class"));
        const char *sentence = json_string_value(json_object_get(incident, "sentence"));
        const char *test = json_string_value(json_object_get(incident, "test"));
        const char *path = json_string_value(json_object_get(incident, "path"));
        text = talloc_asprintf_append(text, "\n%s: %s\n",
                                      class_name != NULL ? rw_line_escape(raw, class_name) : "unknown",
                                      sentence != NULL ? rw_line_escape(raw, sentence) : "");
        if (test != NULL)
            text = talloc_asprintf_append(text, "    test: %s\n", rw_line_escape(raw, test));
        if (path != NULL)
            text = talloc_asprintf_append(text, "    see:  %s/report.txt\n", rw_line_escape(raw, path));
        talloc_free(raw);
    }
    if (pack->untold[0] != '\0')
        text = talloc_asprintf_append(text, "\n%s\n", pack->untold);
    return text;
}

static int write_archive(struct pack *pack, const char *file)
{
    const char *why;
    struct rw_archive *archive = rw_archive_open(file, &why);
    if (archive == NULL) {
        fprintf(stderr, "racewatch collect: %s: %s\n", file, why);
        return -1;
    }
    json_t *index = make_index(pack);
    char *index_text = json_dumps(index, RW_JSON_FLAGS);
    int error = rw_archive_add_text(archive, "index.json", index_text);
    if (error == 0)
        error = rw_archive_add_text(archive, "summary.txt", make_summary(pack));
    for (size_t i = 0; i < pack->count && error == 0; i++)
        if (strcmp(pack->files[i] + pack->root, "index.json") != 0)
            error = rw_archive_add_file(archive, pack->files[i] + pack->root, pack->files[i]);
    if (error == 0)
        error = rw_archive_finish(archive);
    if (error != 0) {
        fprintf(stderr, "racewatch collect: %s: %s\n", file, rw_archive_error(archive));
        unlink(file);
    }
    rw_archive_close(archive);
    free(index_text);
    json_decref(index);
    return error;
}

int rw_command_collect(int argc, char **argv)
{
    static const struct argp_option flags[] = {
        {"output", 'o', "FILE", 0, "the archive; .tar.gz or .tar.zst by its name (default: racewatch.tar.gz)",
         0},
        {0},
    };
    struct argp argp = {
        .options = flags,
        .parser = parse,
        .args_doc = "DIR",
        .doc = "Pack reports and recordings under DIR into one archive, with an index.json and a summary.txt "
               "at its root.",
    };
    struct arguments arguments = {.file = "racewatch.tar.gz"};
    rw_parse(&argp, argc, argv, RW_EXIT_USAGE, &arguments);
    if (arguments.dir == NULL)
        rw_usage_error("which folder? (racewatch collect DIR [-o FILE])");
    struct pack pack = {.scratch = talloc_new(NULL),
                        .incidents = json_array(),
                        .tests = json_array(),
                        .notes = json_array(),
                        .runs = json_array()};
    char *dir = talloc_strdup(pack.scratch, arguments.dir);
    for (size_t length = strlen(dir); length > 1 && dir[length - 1] == '/'; length--)
        dir[length - 1] = '\0';
    pack.root = strlen(dir) + 1;
    walked = &pack;
    if (access(dir, R_OK | X_OK) != 0)
        rw_usage_error("%s: %s", dir, strerror(errno));
    if (nftw(dir, visit, DEPTH_MAX, FTW_PHYS) != 0)
        rw_usage_error("%s: %s", dir, strerror(errno));
    if (pack.count == 0)
        rw_usage_error("%s: neither reports nor recordings are in it", dir);
    qsort(pack.files, pack.count, sizeof(*pack.files), by_name);
    for (size_t i = 0; i < pack.count; i++)
        if (ends_with(pack.files[i], "/index.json"))
            read_index(&pack, pack.files[i]);
    find_untold(&pack);
    int error = write_archive(&pack, arguments.file);
    if (error == 0)
        printf("%s: %zu incident%s, %zu file%s%s%s\n", arguments.file, json_array_size(pack.incidents),
               json_array_size(pack.incidents) == 1 ? "" : "s", pack.count, pack.count == 1 ? "" : "s",
               pack.untold[0] != '\0' ? "; " : "", pack.untold);
    json_decref(pack.incidents);
    json_decref(pack.tests);
    json_decref(pack.notes);
    json_decref(pack.runs);
    talloc_free(pack.scratch);
    return error == 0 ? 0 : 1;
}
