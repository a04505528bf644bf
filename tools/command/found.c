/* SPDX-License-Identifier: MIT */
#include "tools/command/found.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

#include "tools/basics/paths.h"
#include "tools/incident/index_file.h"
#include "tools/monitor/session.h"

static bool is_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    return length > end_length && strcmp(text + length - end_length, end) == 0;
}

/* The names in a folder, sorted; a talloc array, NULL where it cannot be listed. */
static char **list(void *parent, const char *path, size_t *count)
{
    struct dirent **entries = NULL;
    int found = scandir(path, &entries, NULL, alphasort);
    *count = 0;
    if (found < 0)
        return NULL;
    char **names = talloc_array(parent, char *, (unsigned)found + 1);
    for (int i = 0; i < found; i++) {
        if (entries[i]->d_name[0] != '.')
            names[(*count)++] = talloc_strdup(names, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return names;
}

static void add_incident(void *parent, struct rw_found *found, const char *path)
{
    found->incidents = talloc_realloc(parent, found->incidents, const char *, found->incident_count + 1);
    found->incidents[found->incident_count++] = path;
}

/* Names of recordings that incidents refer to, out of an index. */
static bool is_told(const json_t *index, const char *session, const char *recording)
{
    json_t *incident, *name;
    size_t i, j;
    json_array_foreach(json_object_get(index, "incidents"), i, incident)
    {
        json_array_foreach(json_object_get(incident, "recordings"), j, name)
        {
            const char *told = json_string_value(name);
            if (told != NULL && strstr(told, session) != NULL && ends_with(told, recording))
                return true;
        }
    }
    return false;
}

/* False where there is no recording at all. */
static bool add_session(void *parent, struct rw_found *found, const char *path, const json_t *index)
{
    size_t count, recordings = 0;
    char **names = list(parent, path, &count);
    const char *session = rw_base_name(path);
    struct rw_found_session result = {.path = path, .is_watched = rw_session_is_watched(path)};
    for (size_t i = 0; i < count; i++) {
        if (!ends_with(names[i], ".rec"))
            continue;
        recordings++;
        result.has_untold |= !is_told(index, session, names[i]);
    }
    if (recordings == 0)
        return false;
    found->sessions =
        talloc_realloc(parent, found->sessions, struct rw_found_session, found->session_count + 1);
    found->sessions[found->session_count++] = result;
    return true;
}

static void add_out(void *parent, const char *path, struct rw_found *found)
{
    size_t count;
    char **names = list(parent, path, &count);
    for (size_t i = 0; i < count; i++) {
        const char *incident = talloc_asprintf(parent, "%s/%s/incident.json", path, names[i]);
        if (names[i][0] >= '0' && names[i][0] <= '9' && is_file(incident))
            add_incident(parent, found, incident);
    }
    const char *index_path = talloc_asprintf(parent, "%s/index.json", path);
    json_t *index = rw_index_read(AT_FDCWD, index_path, NULL);
    found->index = index != NULL ? index_path : NULL;
    /* A run that ended in its own time has told all there was: what it kept, it kept for keep=always. */
    bool has_ended = json_is_integer(json_object_get(index, "exit"));
    const char *ended_run = has_ended ? json_string_value(json_object_get(index, "run")) : NULL;
    const char *recordings = talloc_asprintf(parent, "%s/recordings", path);
    names = list(parent, recordings, &count);
    for (size_t i = 0; i < count; i++) {
        const char *session = talloc_asprintf(parent, "%s/%s", recordings, names[i]);
        if (is_folder(session) && add_session(parent, found, session, index) && ended_run != NULL &&
            strcmp(ended_run, names[i]) == 0)
            found->sessions[found->session_count - 1].has_untold = false;
    }
    json_decref(index);
}

int rw_find(void *parent, const char *path, struct rw_found *found, char **why)
{
    struct stat status;
    memset(found, 0, sizeof(*found));
    *why = NULL;
    if (stat(path, &status) != 0) {
        int error = -errno;
        *why = talloc_strdup(parent, strerror(-error));
        return error;
    }
    if (S_ISDIR(status.st_mode) && access(path, R_OK | X_OK) != 0) {
        int error = -errno;
        *why = talloc_strdup(parent, strerror(-error));
        return error;
    }
    char *copy = talloc_strdup(parent, path);
    for (size_t length = strlen(copy); length > 1 && copy[length - 1] == '/'; length--)
        copy[length - 1] = '\0';
    const char *inside = talloc_asprintf(parent, "%s/incident.json", copy);
    found->is_single = true;
    if (S_ISREG(status.st_mode)) {
        if (ends_with(copy, ".rec")) {
            *why = talloc_strdup(
                parent, "one recording; `racewatch recording` prints it, and a report needs its folder");
            return -EINVAL;
        }
        add_incident(parent, found, copy);
        return 0;
    }
    if (is_file(inside)) {
        add_incident(parent, found, inside);
        return 0;
    }
    if (add_session(parent, found, copy, NULL)) {
        found->sessions[0].has_untold = true;
        return 0;
    }
    found->is_single = false;
    add_out(parent, copy, found);
    if (found->incident_count == 0 && found->session_count == 0 && found->index == NULL) {
        *why = talloc_strdup(parent, "neither reports nor recordings are in it");
        return -ENOENT;
    }
    return 0;
}
