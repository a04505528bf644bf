/* SPDX-License-Identifier: MIT */
#include "shim/session_begin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shim/raw.h"
#include "shim/real.h"
#include "shim/recording_file.h"
#include "shim/text.h"

static char out[PATH_MAX];
static char recordings[PATH_MAX];

static uint64_t inode_of(const char *path)
{
    struct stat status;
    return rw_raw4(SYS_newfstatat, AT_FDCWD, (long)path, (long)&status, 0) == 0 ? status.st_ino : 0;
}

/* Without a /proc of its own a namespace is told by this: nobody there has the monitor's pid. */
static bool is_monitor_out_of_sight(void)
{
    return rw_session.monitor_pid > 0 && rw_raw3(SYS_kill, rw_session.monitor_pid, 0, 0) == -ESRCH;
}

void rw_session_locate(void)
{
    if (rw_session.pid_namespace == 0)
        return;
    uint64_t own = inode_of("/proc/self/ns/pid");
    if (own != 0 ? own == rw_session.pid_namespace : !is_monitor_out_of_sight())
        return;
    rw_session.elsewhere = own != 0 ? own : 1;
    rw_session.monitor_pid = 0;
}

int rw_session_join(void)
{
    const char *value = getenv(RW_SESSION_VARIABLE);
    uint64_t pid, pid_namespace = 0;
    const char *colon = value ? rw_text_read_decimal(value, &pid) : NULL;
    if (colon && colon[0] == '@')
        colon = rw_text_read_decimal(colon + 1, &pid_namespace);
    if (!colon || colon[0] != ':' || colon[1] != '/' || rw_text_length(colon + 1) >= sizeof rw_session.folder)
        return -ENOENT;
    struct stat status;
    long result = rw_raw4(SYS_newfstatat, AT_FDCWD, (long)(colon + 1), (long)&status, AT_SYMLINK_NOFOLLOW);
    if (result == -EACCES)
        return -EACCES;
    if (result != 0 || !S_ISDIR(status.st_mode))
        return -ENOENT;
    rw_text_copy(rw_session.folder, sizeof rw_session.folder, colon + 1);
    rw_session.monitor_pid = pid <= INT32_MAX ? (int32_t)pid : 0;
    rw_session.pid_namespace = pid_namespace;
    rw_session_locate();
    return 0;
}

static int make_absolute(const char *path)
{
    struct rw_text text;
    rw_text_begin(&text, out, sizeof out);
    if (path[0] != '/') {
        long length = rw_raw3(SYS_getcwd, (long)out, sizeof out - 1, 0);
        if (length < 0)
            return (int)length;
        if (out[0] != '/')
            return -ENOENT; /* "(unreachable)": the current folder is outside of the root */
        text.length = (size_t)length - 1;
        rw_text_add(&text, "/");
    }
    rw_text_add(&text, path);
    while (text.length > 1 && out[text.length - 1] == '/')
        out[--text.length] = '\0';
    /* Told now, before what it begins with is made. */
    return text.is_cut || text.length + RW_PATH_ROOM > sizeof out ? -ENAMETOOLONG : 0;
}

static int make_folder(const char *path, bool *is_made)
{
    long result = rw_raw3(SYS_mkdir, (long)path, 0700, 0);
    *is_made = result == 0;
    return result == -EEXIST ? 0 : (int)result;
}

/* The folders above are made like mkdir -p makes them. */
static int make_out(bool *is_made)
{
    int result = 0;
    for (char *at = out + 1; *at != '\0'; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        rw_raw3(SYS_mkdir, (long)out, 0777, 0);
        *at = '/';
    }
    result = make_folder(out, is_made);
    struct stat status;
    if (result == 0)
        result = (int)rw_raw3(SYS_stat, (long)out, (long)&status, 0);
    if (result == 0 && !S_ISDIR(status.st_mode))
        result = -ENOTDIR;
    return result;
}

/* A folder that somebody else could change, or a link to elsewhere, is not for us. */
static int make_recordings(void)
{
    struct stat status;
    bool is_made;
    struct rw_text text;
    rw_text_begin(&text, recordings, sizeof recordings);
    rw_text_add(&text, out);
    rw_text_add(&text, "/recordings");
    if (text.is_cut)
        return -ENAMETOOLONG;
    int result = make_folder(recordings, &is_made);
    if (result == 0)
        result = (int)rw_raw3(SYS_lstat, (long)recordings, (long)&status, 0);
    if (result == 0 && !S_ISDIR(status.st_mode))
        result = -ENOTDIR;
    if (result == 0 && status.st_uid != (uid_t)rw_raw0(SYS_geteuid))
        result = -EPERM;
    return result;
}

static int make_session(void)
{
    struct timespec now = {0};
    rw_raw3(SYS_clock_gettime, CLOCK_REALTIME, (long)&now, 0);
    const unsigned char *random = (const unsigned char *)getauxval(AT_RANDOM);
    uint64_t number = random ? (uint64_t)random[0] << 8 | random[1] : 0;
    int result;
    for (int tries = 0; tries < 16; tries++, number++) {
        struct rw_text text;
        char digits[8];
        rw_text_begin(&text, digits, sizeof digits);
        rw_text_add_hex(&text, 0x10000 | (number & 0xffff)); /* a 1, and four digits */
        rw_text_begin(&text, rw_session.folder, sizeof rw_session.folder);
        rw_text_add(&text, recordings);
        rw_text_add(&text, "/");
        rw_text_add_hex(&text, (uint64_t)now.tv_sec);
        rw_text_add(&text, "-");
        rw_text_add_decimal(&text, (uint64_t)rw_raw0(SYS_getpid));
        rw_text_add(&text, "-");
        rw_text_add(&text, digits + 1);
        if (text.is_cut)
            return -ENAMETOOLONG;
        result = (int)rw_raw3(SYS_mkdir, (long)rw_session.folder, 0700, 0);
        if (result != -EEXIST)
            return result;
    }
    return result;
}

/* `is_made` stays true once it is. */
static int make_all(bool *is_made, const char **culprit)
{
    bool is_made_now;
    *culprit = out;
    int result = make_out(&is_made_now);
    *is_made |= is_made_now;
    if (result == 0) {
        *culprit = recordings;
        result = make_recordings();
    }
    if (result == 0) {
        *culprit = rw_session.folder;
        result = make_session();
    }
    return result;
}

int rw_session_begin(const struct rw_shim_options *options, bool *is_made, const char **culprit)
{
    *is_made = false;
    rw_session.monitor_pid = 0;
    rw_session.pid_namespace = inode_of("/proc/self/ns/pid");
    rw_session.elsewhere = 0;
    *culprit = options->dir;
    int result = make_absolute(options->dir);
    if (result != 0)
        return result;
    /* The monitor of another run takes the folders away where it finds them empty: as they are here between
     * one step and the next. */
    int tries = 0;
    do {
        result = make_all(is_made, culprit);
    } while (result == -ENOENT && ++tries < 100);
    if (result != 0)
        rw_session_undo(*is_made);
    return result;
}

void rw_session_undo(bool is_made)
{
    if (rw_session.folder[0] != '\0')
        rw_raw3(SYS_rmdir, (long)rw_session.folder, 0, 0);
    if (recordings[0] != '\0')
        rw_raw3(SYS_rmdir, (long)recordings, 0, 0);
    if (is_made)
        rw_raw3(SYS_rmdir, (long)out, 0, 0);
}

void rw_session_export(void)
{
    static char value[PATH_MAX + 48];
    struct rw_text text;
    rw_text_begin(&text, value, sizeof value);
    rw_text_add_decimal(&text, (uint64_t)rw_session.monitor_pid);
    if (rw_session.pid_namespace != 0) {
        rw_text_add(&text, "@");
        rw_text_add_decimal(&text, rw_session.pid_namespace);
    }
    rw_text_add(&text, ":");
    rw_text_add(&text, rw_session.folder);
    RW_REAL_OF(setenv)(RW_SESSION_VARIABLE, value, 1);
}

static const char none[] = "none:";

void rw_session_refuse(const char *dir)
{
    static char value[PATH_MAX + 1 + sizeof none];
    struct rw_text text;
    rw_text_begin(&text, value, sizeof value);
    rw_text_add(&text, none);
    rw_text_add(&text, dir);
    RW_REAL_OF(setenv)(RW_SESSION_VARIABLE, value, 1);
}

static const char *refused(void)
{
    const char *value = getenv(RW_SESSION_VARIABLE);
    return value ? rw_text_after(value, none) : NULL;
}

bool rw_session_is_refused(const char *dir)
{
    const char *path = refused();
    return path && rw_text_equal(path, dir);
}

bool rw_session_is_refused_anywhere(void)
{
    return refused() != NULL;
}
