/* SPDX-License-Identifier: MIT */
#include "tools/basics/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TRIES 200 /* each 10 ms after the one before */

int rw_new_file(int folder, const char *path)
{
    unlinkat(folder, path, 0);
    int fd = openat(folder, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : fd;
}

int rw_open_regular(int folder, const char *path, int flags)
{
    struct stat status;
    char name[64];
    int place = openat(folder, path, O_PATH | O_CLOEXEC | flags);
    if (place < 0)
        return -errno;
    int error = fstat(place, &status) != 0 ? -errno
                : S_ISLNK(status.st_mode)  ? -ELOOP /* O_PATH opens the link itself */
                : !S_ISREG(status.st_mode) ? -EINVAL
                                           : 0;
    int fd = -1;
    if (error == 0) {
        snprintf(name, sizeof(name), "/proc/self/fd/%d", place);
        fd = openat(AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
        error = fd >= 0 ? 0 : errno == ENOENT ? -EIO /* no /proc: the file is there */ : -errno;
    }
    close(place);
    return error != 0 ? error : fd;
}

bool rw_lock(int fd)
{
    const struct timespec pause = {0, 10000000};
    for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; tries++) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || tries == LOCK_TRIES)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}
