/* SPDX-License-Identifier: MIT */
#include "tools/monitor/spares.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/recording.h"

#define ROOM_MAX (512 * 1024) /* bytes that one may keep; a recording of many threads has more */

static void name_of(char *name, size_t size, const char *folder, unsigned number)
{
    snprintf(name, size, "%s/%u" RW_SPARE_SUFFIX, folder, number);
}

/* Whether the kernel gives a lease for reading, which it does when nobody has the file open for writing or
 * mapped so: 1, 0, or -1 where it cannot be asked. */
static int gives_lease(const char *path)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    int result = fd < 0 ? -1 : fcntl(fd, F_SETLEASE, F_RDLCK);
    int answer = result == 0 ? 1 : fd >= 0 && errno == EAGAIN ? 0 : -1;
    if (result == 0)
        fcntl(fd, F_SETLEASE, F_UNLCK);
    if (fd >= 0)
        close(fd);
    return answer;
}

/* Whether surely nobody has it. Of mappings overlayfs does not know, and some file systems have no leases: so
 * a mapping of our own has to be felt, too. */
static bool is_nobodys(const char *path)
{
    if (gives_lease(path) != 1)
        return false;
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    void *own = fd < 0 ? MAP_FAILED : mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    bool is_felt = own != MAP_FAILED && gives_lease(path) == 0;
    if (own != MAP_FAILED)
        munmap(own, 1);
    return is_felt;
}

/* The size is kept: whoever should have the file mapped after all reads zeros, and no access of its is beyond
 * the file's end, which would be a SIGBUS. Blocks that stay are neither freed, which is most of the work of
 * making a hole, nor to be found again. */
static int fill_with_zeros(int fd, off_t size, bool keeps_room)
{
    if (keeps_room && size <= ROOM_MAX &&
        fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, size) == 0)
        return 0;
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size);
}

static bool make_empty(const char *path, bool keeps_room)
{
    struct stat status;
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    bool is_done = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1 &&
                   status.st_size > 0 && fill_with_zeros(fd, status.st_size, keeps_room) == 0;
    if (fd >= 0)
        close(fd);
    return is_done;
}

/* New processes take the highest, so that what is there has no gaps but for a moment; most often there are
 * few. */
static unsigned first_free(const char *folder)
{
    char name[PATH_MAX];
    struct stat status;
    unsigned below = 0, from = RW_SPARE_MAX, at = 0;
    while (below < from) {
        name_of(name, sizeof(name), folder, at);
        if (lstat(name, &status) == 0)
            below = at + 1;
        else
            from = at;
        at = from == RW_SPARE_MAX && 2 * below < from ? 2 * below : (below + from) / 2;
    }
    return below;
}

bool rw_spares_add(const char *folder, const char *path)
{
    char name[PATH_MAX];
    unsigned number = first_free(folder);
    name_of(name, sizeof(name), folder, number);
    return number < RW_SPARE_MAX && is_nobodys(path) && make_empty(path, number < RW_SPARES_WITH_ROOM) &&
           renameat2(AT_FDCWD, path, AT_FDCWD, name, RENAME_NOREPLACE) == 0;
}

void rw_spares_clear(const char *folder)
{
    const size_t length = strlen(RW_SPARE_SUFFIX);
    DIR *list = opendir(folder);
    const struct dirent *entry;
    while (list != NULL && (entry = readdir(list)) != NULL) {
        size_t from = strspn(entry->d_name, "0123456789");
        if (from > 0 && strncmp(entry->d_name + from, RW_SPARE_SUFFIX, length + 1) == 0)
            unlinkat(dirfd(list), entry->d_name, 0);
    }
    if (list != NULL)
        closedir(list);
}
