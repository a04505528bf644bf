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
    json_t *incidents;
    json_t *runs;
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

static int visit(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)at;
    if (type != FTW_F || !S_ISREG(status->st_mode) || status->st_size > FILE_BYTES_MAX ||
        walked->count >= FILES_MAX || !is_ours(path))
        return 0;
    walked->files = talloc_realloc(walked->scratch, walked->files, char *, walked->count + 1);
    walked->files[walked->count++] = talloc_strdup(walked->scratch, path);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The incidents of one folder's index, their paths made relative to the archive's root. */
static void read_index(struct pack *pack, const char *path)
{
    json_t *index = rw_index_read(AT_FDCWD, path), *incident;
    size_t i;
    if (!json_is_array(json_object_get(index, "incidents"))) {
        json_decref(index);
        return;
    }
    const char *relative = path + pack->root;
    int prefix = (int)(strlen(relative) - strlen("index.json"));
    json_array_foreach(json_object_get(index, "incidents"), i, incident)
    {
        json_t *copy = json_deep_copy(incident);
        const char *inside = json_string_value(json_object_get(incident, "path"));
        if (inside != NULL)
            json_object_set_new(copy, "path", json_sprintf("%.*s%s", prefix, relative, inside));
        json_array_append_new(pack->incidents, copy);
    }
    json_t *run = json_object();
    json_object_set_new(run, "path", json_sprintf("%.*s", prefix > 0 ? prefix - 1 : 0, relative));
    json_object_set(run, "command", json_object_get(index, "command"));
    json_object_set(run, "exit", json_object_get(index, "exit"));
    json_array_append_new(pack->runs, run);
    json_decref(index);
}

static json_t *make_index(struct pack *pack)
{
    json_t *index = json_object(), *files = json_array();
    const json_t *only = json_array_size(pack->runs) == 1 ? json_array_get(pack->runs, 0) : NULL;
    json_t *command = json_object_get(only, "command"), *status = json_object_get(only, "exit");
    json_object_set_new(index, "schema", json_integer(RW_INCIDENT_SCHEMA));
    json_object_set(index, "command", command != NULL ? command : json_null());
    json_object_set(index, "exit", status != NULL ? status : json_null());
    json_object_set(index, "incidents", pack->incidents);
    json_object_set(index, "runs", pack->runs);
    for (size_t i = 0; i < pack->count; i++)
        if (strcmp(pack->files[i] + pack->root, "index.json") != 0)
            json_array_append_new(files, json_string(pack->files[i] + pack->root));
    json_object_set_new(index, "files", files);
    return index;
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
        const char *class_name = json_string_value(json_object_get(incident, "class"));
        const char *sentence = json_string_value(json_object_get(incident, "sentence"));
        const char *test = json_string_value(json_object_get(incident, "test"));
        const char *path = json_string_value(json_object_get(incident, "path"));
        text = talloc_asprintf_append(text, "\n%s: %s\n", class_name != NULL ? class_name : "unknown",
                                      sentence != NULL ? sentence : "");
        if (test != NULL)
            text = talloc_asprintf_append(text, "    test: %s\n", test);
        if (path != NULL)
            text = talloc_asprintf_append(text, "    see:  %s/report.txt\n", path);
    }
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
    struct pack pack = {.scratch = talloc_new(NULL), .incidents = json_array(), .runs = json_array()};
    char *dir = talloc_strdup(pack.scratch, arguments.dir);
    for (size_t length = strlen(dir); length > 1 && dir[length - 1] == '/'; length--)
        dir[length - 1] = '\0';
    pack.root = strlen(dir) + 1;
    walked = &pack;
    if (nftw(dir, visit, DEPTH_MAX, FTW_PHYS) != 0)
        rw_usage_error("%s: %s", dir, strerror(errno));
    if (pack.count == 0)
        rw_usage_error("%s: neither reports nor recordings are in it", dir);
    qsort(pack.files, pack.count, sizeof(*pack.files), by_name);
    for (size_t i = 0; i < pack.count; i++)
        if (ends_with(pack.files[i], "/index.json"))
            read_index(&pack, pack.files[i]);
    int error = write_archive(&pack, arguments.file);
    if (error == 0)
        printf("%s: %zu incident%s, %zu files\n", arguments.file, json_array_size(pack.incidents),
               json_array_size(pack.incidents) == 1 ? "" : "s", pack.count);
    json_decref(pack.incidents);
    json_decref(pack.runs);
    talloc_free(pack.scratch);
    return error == 0 ? 0 : 1;
}
