/* SPDX-License-Identifier: MIT */
#include "shim/maps_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>

#include "shim/raw.h"
#include "shim/recording_file.h"
#include "shim/text.h"

#define LARGEST (UINT64_C(1) << 20) /* bytes; a process with 100 libraries has 60 KiB */

static bool is_watched(void)
{
    return rw_session.monitor_pid > 0 && rw_raw3(SYS_kill, rw_session.monitor_pid, 0, 0) != -ESRCH;
}

/* "<recording without .rec>.maps" */
static bool make_path(char *path, size_t size)
{
    const char *recording = rw_recording_path();
    size_t length = rw_text_length(recording);
    struct rw_text text;
    rw_text_begin(&text, path, size);
    rw_text_add_bytes(&text, recording, length - (sizeof ".rec" - 1));
    rw_text_add(&text, ".maps");
    return !text.is_cut;
}

/* The kernel gives a page at most with each read. */
static void copy(int from, int to)
{
    static char bytes[4096];
    uint64_t limit = rw_recording_size_limit(), total = 0;
    for (;;) {
        long length = rw_raw3(SYS_read, from, (long)bytes, sizeof bytes);
        if (length <= 0 || total + (uint64_t)length > LARGEST || total + (uint64_t)length > limit)
            return;
        if (rw_raw3(SYS_write, to, (long)bytes, length) != length)
            return;
        total += (uint64_t)length;
    }
}

static void save(bool anew)
{
    static char path[PATH_MAX + 64];
    if (!make_path(path, sizeof path))
        return;
    long maps = rw_raw3(SYS_open, (long)"/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
    if (maps < 0)
        return;
    if (anew)
        rw_raw3(SYS_unlink, (long)path, 0, 0);
    long file = rw_raw3(SYS_open, (long)path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file >= 0) {
        copy((int)maps, (int)file);
        rw_raw3(SYS_close, file, 0, 0);
    }
    rw_raw3(SYS_close, maps, 0, 0);
}

void rw_maps_save(void)
{
    save(false);
}

void rw_maps_save_anew(void)
{
    save(true);
}

void rw_maps_save_unless_watched(void)
{
    if (!is_watched())
        rw_maps_save();
}
