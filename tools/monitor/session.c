/* SPDX-License-Identifier: MIT */
#include "tools/monitor/session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <talloc.h>

#include "shim/recording.h"
#include "tools/basics/files.h"
#include "tools/basics/folders.h"
#include "tools/basics/paths.h"

/* Room that a run needs at the least: the recordings of a few processes. */
#define ROOM_BYTES (1024 * 1024)

#define MADE_MARK ".made"
#define ROOM ".room"

static int destroy(struct rw_session *session)
{
    if (session->fd >= 0)
        close(session->fd);
    if (session->recordings_fd >= 0)
        close(session->recordings_fd);
    if (session->out_fd >= 0)
        close(session->out_fd);
    return 0;
}

static struct rw_session *new_session(void *parent)
{
    struct rw_session *session = talloc_zero(parent, struct rw_session);
    session->fd = session->recordings_fd = session->out_fd = -1;
    talloc_set_destructor(session, destroy);
    return session;
}

static int open_folder(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* A full file system takes a folder and no data: ask for the room now, while it can still be said. */
static int check_room(int fd)
{
    int file = openat(fd, ROOM, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0)
        return -errno;
    int error = posix_fallocate(file, 0, ROOM_BYTES);
    close(file);
    unlinkat(fd, ROOM, 0);
    return error == ENOSPC || error == EDQUOT ? -error : 0;
}

/* Who made OUT may be gone when the last of several runs at once leaves it: a mark inside tells that it is
 * ours. */
static void mark_made(int recordings)
{
    int fd = openat(recordings, MADE_MARK, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
}

static int make_session_folder(struct rw_session *session)
{
    if (mkdirat(session->out_fd, "recordings", 0700) != 0 && errno != EEXIST)
        return -errno;
    struct stat status;
    int recordings = session->recordings_fd = open_folder(session->out_fd, "recordings");
    int error = recordings < 0                    ? recordings
                : fstat(recordings, &status) != 0 ? -errno
                : status.st_uid != geteuid()      ? -EPERM
                                                  : -EEXIST;
    /* Whoever it belongs to could change what is recorded (shim/session_begin.c refuses it, too). */
    if (error == -EPERM)
        return error;
    if (session->made_out && recordings >= 0)
        mark_made(recordings);
    for (int tries = 0; tries < 16 && error == -EEXIST; tries++) {
        unsigned short number = 0;
        if (getrandom(&number, sizeof(number), GRND_NONBLOCK) < 0)
            number = (unsigned short)tries; /* two sessions of one pid in one second are all it tells apart */
        session->name = talloc_asprintf(session, "%lx-%d-%04x", (long)time(NULL), (int)getpid(), number);
        error = mkdirat(recordings, session->name, 0700) != 0 ? -errno : 0;
    }
    if (error == 0) {
        session->fd = open_folder(recordings, session->name);
        error = session->fd < 0 ? session->fd : check_room(session->fd);
        if (error != 0)
            unlinkat(recordings, session->name, AT_REMOVEDIR);
    }
    if (error != 0) {
        if (session->made_out)
            unlinkat(recordings, MADE_MARK, 0);
        unlinkat(session->out_fd, "recordings", AT_REMOVEDIR);
    }
    return error;
}

int rw_session_create(void *parent, const char *dir, struct rw_session **result, char **why)
{
    struct rw_session *session = new_session(parent);
    *result = NULL;
    *why = NULL;
    char *out = rw_absolute_path(session, dir);
    int error = out == NULL ? -errno : 0;
    if (error == 0 && strlen(out) + RW_PATH_ROOM > PATH_MAX) /* before what it begins with is made */
        error = -ENAMETOOLONG;
    if (error == 0)
        error = rw_make_folders(out, &session->made_out);
    if (error == 0) {
        session->out = out;
        session->out_fd = open(out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        error = session->out_fd < 0 ? -errno : make_session_folder(session);
    }
    if (error != 0) {
        *why =
            talloc_asprintf(parent, "cannot record into %s: %s", out != NULL ? out : dir, strerror(-error));
        if (session->made_out)
            rmdir(out);
        talloc_free(session);
        return error;
    }
    session->path = talloc_asprintf(session, "%s/recordings/%s", session->out, session->name);
    flock(session->fd, LOCK_EX | LOCK_NB);
    *result = session;
    return 0;
}

int rw_session_open(void *parent, const char *path, bool made_out, struct rw_session **result, char **why)
{
    struct rw_session *session = new_session(parent);
    *result = NULL;
    *why = NULL;
    char *copy = rw_absolute_path(session, path);
    int error = copy == NULL ? -errno : 0;
    if (error == 0) {
        session->path = copy;
        session->made_out = made_out;
        session->fd = open_folder(AT_FDCWD, copy);
        char *name = strrchr(copy, '/');
        const char *middle = "/recordings";
        size_t out_length = name == NULL ? 0 : (size_t)(name - copy);
        if (session->fd < 0)
            error = session->fd;
        else if (out_length <= strlen(middle) || strncmp(name - strlen(middle), middle, strlen(middle)) != 0)
            error = -EINVAL;
        else {
            session->name = name + 1;
            session->out = talloc_strndup(session, copy, out_length - strlen(middle));
            session->out_fd = open(session->out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            if (session->out_fd < 0)
                error = -errno;
        }
    }
    if (error == 0)
        session->recordings_fd = open_folder(session->out_fd, "recordings");
    if (made_out && session->recordings_fd >= 0)
        mark_made(session->recordings_fd);
    if (error != 0) {
        *why = talloc_asprintf(parent, "no session at %s: %s", path, strerror(-error));
        talloc_free(session);
        return error;
    }
    flock(session->fd, LOCK_EX | LOCK_NB);
    *result = session;
    return 0;
}

int rw_session_remove(struct rw_session *session)
{
    if (rmdir(session->path) == 0)
        return 0;
    int error = -errno;
    if (error == -ENOTEMPTY)
        unlinkat(session->fd, ROOM, 0); /* could not be removed in the beginning */
    return error;
}

/* What cannot be listed may be: its removal will tell. */
static bool is_empty(int folder)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    bool found = false;
    while (list != NULL && !found && (entry = readdir(list)) != NULL)
        found = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                strcmp(entry->d_name, MADE_MARK) != 0;
    if (list != NULL)
        closedir(list);
    return !found;
}

int rw_session_take_refusal(const struct rw_session *session)
{
    char number[16] = "";
    ssize_t length = readlinkat(session->fd, RW_REFUSAL_NAME, number, sizeof(number) - 1);
    if (length < 0)
        return 0;
    unlinkat(session->fd, RW_REFUSAL_NAME, 0);
    return atoi(number); /* whatever stands there: it is only said */
}

void rw_session_close(struct rw_session *session)
{
    int recordings = session->recordings_fd;
    rw_lock(session->out_fd); /* without it, only what is empty goes: rmdir() sees to that */
    if (recordings >= 0 && is_empty(recordings)) {
        bool is_ours = unlinkat(recordings, MADE_MARK, 0) == 0 || session->made_out;
        if (unlinkat(session->out_fd, "recordings", AT_REMOVEDIR) != 0 && is_ours)
            mark_made(recordings); /* somebody came in between */
        else if (is_ours)
            rmdir(session->out);
    }
    talloc_free(session);
}

bool rw_session_is_watched(const char *path)
{
    int fd = open_folder(AT_FDCWD, path);
    if (fd < 0)
        return false;
    bool is_watched = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return is_watched;
}
