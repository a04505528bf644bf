/* SPDX-License-Identifier: MIT */
/* What a process ended with, for who is not its parent. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tools/snapshot/proc.h"

/* struct pidfd_info of include/uapi/linux/pidfd.h, as it is since Linux 6.13, with an exit code since 6.15.
 * Debian 12's headers are older. */
struct pidfd_info_64 {
    uint64_t mask;
    uint64_t cgroup_id;
    uint32_t pid, tgid, ppid, ids[8];
    int32_t exit_code;
};
#define PIDFD_GET_INFO_64 _IOWR(0xFF, 11, struct pidfd_info_64)
#define PIDFD_INFO_EXIT_BIT (UINT64_C(1) << 3)

_Static_assert(sizeof(struct pidfd_info_64) == 64, "PIDFD_INFO_SIZE_VER0");

/* Once it was waited for. */
static int of_one_reaped(int pidfd, int *status)
{
    struct pidfd_info_64 info = {.mask = PIDFD_INFO_EXIT_BIT};

    if (pidfd < 0)
        return -EBADF;
    if (ioctl(pidfd, PIDFD_GET_INFO_64, &info) != 0)
        return -errno;
    if (!(info.mask & PIDFD_INFO_EXIT_BIT))
        return -ENODATA;
    *status = info.exit_code;
    return 0;
}

/* Until then: the last field of its stat, which who may not trace it sees as 0. */
static int of_a_zombie(int pid, int *status)
{
    char path[64], text[1024];

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[length] = '\0';
    const char *name_end = strrchr(text, ')');
    const char *last = strrchr(text, ' ');
    if (!name_end || !last || strncmp(name_end, ") Z ", 4) != 0)
        return -ESRCH;
    return sscanf(last, " %d", status) == 1 && *status ? 0 : -ENODATA;
}

int rw_proc_ended_with(int pid, int pidfd, int *status)
{
    return of_one_reaped(pidfd, status) == 0 ? 0 : of_a_zombie(pid, status);
}
