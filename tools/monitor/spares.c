/* SPDX-License-Identifier: MIT */
#include "tools/monitor/spares.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/recording.h"

static void name_of(char *name, size_t size, const char *folder, unsigned number)
{
    snprintf(name, size, "%s/%u" RW_SPARE_SUFFIX, folder, number);
}

/* Whether a process has the file open for writing, or mapped so: then the kernel gives no lease that nobody
 * does. Of mappings overlayfs does not know, and some file systems have no leases. */
static bool is_in_use(const char *path)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    int result = fd < 0 ? -1 : fcntl(fd, F_SETLEASE, F_RDLCK);
    bool is_refused = result < 0 && errno == EAGAIN;
    if (result == 0)
        fcntl(fd, F_SETLEASE, F_UNLCK);
    if (fd >= 0)
        close(fd);
    return is_refused;
}

/* The size is kept: whoever should have the file mapped after all reads zeros, and no access of its is beyond
 * the file's end, which would be a SIGBUS. */
static bool make_hole(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    bool is_done = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1 &&
                   status.st_size > 0 &&
                   fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, status.st_size) == 0;
    if (fd >= 0)
        close(fd);
    return is_done;
}

/* New processes take the highest, so that what is there has no gaps but for a moment. */
static unsigned first_free(const char *folder)
{
    char name[PATH_MAX];
    struct stat status;
    unsigned below = 0, from = RW_SPARE_MAX;
    while (below < from) {
        unsigned middle = (below + from) / 2;
        name_of(name, sizeof(name), folder, middle);
        if (lstat(name, &status) == 0)
            below = middle + 1;
        else
            from = middle;
    }
    return below;
}

bool rw_spares_add(const char *folder, const char *path)
{
    char name[PATH_MAX];
    unsigned number = first_free(folder);
    name_of(name, sizeof(name), folder, number);
    return number < RW_SPARE_MAX && !is_in_use(path) && make_hole(path) &&
           renameat2(AT_FDCWD, path, AT_FDCWD, name, RENAME_NOREPLACE) == 0;
}

void rw_spares_clear(const char *folder)
{
    char name[PATH_MAX];
    for (unsigned number = 0; number < RW_SPARE_MAX; number++) {
        name_of(name, sizeof(name), folder, number);
        unlink(name);
    }
}
