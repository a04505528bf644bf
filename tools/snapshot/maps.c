/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>

#include "tools/snapshot/proc.h"

#define TEXT_MAX (16u << 20)

/* One line: "start-end perms offset major:minor inode   path". */
static bool parse_line(void *parent, char *line, struct rw_mapping *mapping)
{
    char permissions[5];
    uint32_t major, minor;
    int path_at = 0;

    *mapping = (struct rw_mapping){0};
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %" SCNx32 ":%" SCNx32 " %" SCNu64 " %n",
               &mapping->start, &mapping->end, permissions, &mapping->offset, &major, &minor, &mapping->inode,
               &path_at) < 7 ||
        path_at == 0 || mapping->start >= mapping->end || strlen(permissions) != 4)
        return false;
    mapping->device = (uint64_t)major << 32 | minor;
    mapping->readable = permissions[0] == 'r';
    mapping->writable = permissions[1] == 'w';
    mapping->executable = permissions[2] == 'x';
    mapping->shared = permissions[3] == 's';
    char *path = line + path_at;
    if (path[0] == '\0')
        return true;
    static const char deleted[] = " (deleted)";
    size_t length = strlen(path);
    if (length > sizeof(deleted) - 1 && strcmp(path + length - (sizeof(deleted) - 1), deleted) == 0) {
        mapping->is_deleted = true;
        path[length - (sizeof(deleted) - 1)] = '\0';
    }
    mapping->path = talloc_strdup(parent, path);
    return true;
}

int rw_maps_parse(void *parent, const char *text, size_t length, struct rw_maps **out)
{
    struct rw_maps *maps = talloc_zero(parent, struct rw_maps);
    size_t room = 64;

    *out = NULL;
    if (!maps)
        return -ENOMEM;
    maps->items = talloc_array(maps, struct rw_mapping, room);
    char *copy = talloc_strndup(maps, text, length), *rest = copy, *line;
    if (!maps->items || !copy) {
        talloc_free(maps);
        return -ENOMEM;
    }
    while ((line = strsep(&rest, "\n"))) {
        if (maps->count == room) {
            room *= 2;
            struct rw_mapping *grown = talloc_realloc(maps, maps->items, struct rw_mapping, room);
            if (!grown) {
                talloc_free(maps);
                return -ENOMEM;
            }
            maps->items = grown;
        }
        struct rw_mapping *mapping = &maps->items[maps->count];
        /* Look-ups are by halving: a hostile text must not bring them out of order. */
        if (parse_line(maps, line, mapping) &&
            (maps->count == 0 || mapping->start >= maps->items[maps->count - 1].end))
            maps->count++;
    }
    talloc_free(copy);
    *out = maps;
    return 0;
}

/* The kernel hands out maps a page at a time; so read to the end. */
static int read_text(void *parent, const char *file, char **text, size_t *length)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    size_t room = 64 * 1024, used = 0;
    char *buffer = fd < 0 ? NULL : talloc_array(parent, char, room);
    int result = fd < 0 ? -errno : 0;

    while (result == 0) {
        if (!buffer) {
            result = -ENOMEM;
            break;
        }
        ssize_t got = read(fd, buffer + used, room - used);
        if (got < 0 && errno != EINTR)
            result = -errno;
        if (got == 0 || used >= TEXT_MAX)
            break;
        if (got > 0)
            used += (size_t)got;
        if (used == room)
            buffer = talloc_realloc(parent, buffer, char, room *= 2);
    }
    if (fd >= 0)
        close(fd);
    if (result < 0) {
        talloc_free(buffer);
        return result;
    }
    *text = buffer;
    *length = used;
    return 0;
}

int rw_maps_saved(void *parent, const char *file, struct rw_maps **out)
{
    char *text;
    size_t length;

    *out = NULL;
    int result = read_text(parent, file, &text, &length);
    if (result < 0)
        return result;
    result = rw_maps_parse(parent, text, length, out);
    talloc_free(text);
    return result;
}

int rw_maps_live(void *parent, int pid, struct rw_maps **out)
{
    char file[64];
    int tid = rw_proc_living_thread(pid);

    *out = NULL;
    if (tid < 0)
        return tid;
    snprintf(file, sizeof(file), "/proc/%d/task/%d/maps", pid, tid);
    int result = rw_maps_saved(parent, file, out);
    return result == -ENOENT ? -ESRCH : result;
}

const struct rw_mapping *rw_maps_find(const struct rw_maps *maps, uint64_t address)
{
    size_t low = 0, high = maps->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (address < maps->items[middle].start)
            high = middle;
        else if (address >= maps->items[middle].end)
            low = middle + 1;
        else
            return &maps->items[middle];
    }
    return NULL;
}

bool rw_maps_share(const struct rw_maps *maps, const char *path)
{
    struct stat status;
    bool is_shared = maps->count == 0 || stat(path, &status) != 0;

    for (size_t i = 0; i < maps->count && !is_shared; i++)
        is_shared = maps->items[i].inode == status.st_ino && maps->items[i].shared;
    return is_shared;
}

bool rw_maps_live_share(int pid, const char *path)
{
    struct rw_maps *maps = NULL;
    bool is_shared = rw_maps_live(NULL, pid, &maps) != 0 || rw_maps_share(maps, path);

    talloc_free(maps);
    return is_shared;
}
