/* SPDX-License-Identifier: MIT */
#include "tools/basics/folders.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 16

int rw_make_folders(char *path, bool *made)
{
    struct stat status;
    *made = false;
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int error = mkdir(path, 0777) != 0 && errno != EEXIST ? -errno : 0;
        *slash = '/';
        if (error == -EROFS || error == -EACCES) /* may exist all the same: the next step tells */
            continue;
        if (error != 0)
            return error;
    }
    if (mkdir(path, 0700) == 0)
        *made = true;
    else if (errno != EEXIST || stat(path, &status) != 0)
        return -errno;
    else if (!S_ISDIR(status.st_mode))
        return -ENOTDIR;
    return 0;
}

int rw_make_own_folder(const char *path)
{
    struct stat status;
    if (mkdir(path, 0700) == 0)
        return 0;
    if (errno != EEXIST || lstat(path, &status) != 0)
        return -errno;
    return !S_ISDIR(status.st_mode) ? -ENOTDIR : status.st_uid != geteuid() ? -EPERM : 0;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *ftw)
{
    (void)status, (void)kind, (void)ftw;
    remove(path);
    return 0;
}

void rw_remove_tree(const char *path)
{
    nftw(path, remove_one, DESCRIPTORS_MAX, FTW_DEPTH | FTW_PHYS);
}
