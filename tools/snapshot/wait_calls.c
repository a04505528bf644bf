/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/wait_calls.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <talloc.h>

#include "tools/incident/model.h"

#define OPENED_MAX 256 /* bytes of a path that is being opened */
#define PAGE 4096u
#define SIGNALS_NAMED 3

/* The kernel's function in which who opens a FIFO waits for who opens its other end (fs/pipe.c). The file
 * itself is not asked: on a network's file system that does not answer that would hang us as well. */
static bool waits_for_partner(int pid, int tid)
{
    static const char function[] = "wait_for_partner";
    char path[64], name[sizeof(function) + 1] = "";

    snprintf(path, sizeof(path), "/proc/%d/task/%d/wchan", pid, tid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool is_read = fread(name, 1, sizeof(name) - 1, file) > 0;
    fclose(file);
    return is_read && strcmp(name, function) == 0;
}

/* An open that waits is mostly one of a FIFO whose other end nobody has opened. */
void rw_wait_for_open(const struct rw_wait_look *look, struct rw_thread *thread,
                      const struct rw_proc_syscall *call)
{
    struct rw_wait_on *wait = thread->waits_on;
    unsigned first = call->number == SYS_openat ? 1 : 0;
    uint64_t address = call->argument[first];
    int mode = (int)call->argument[first + 1] & O_ACCMODE;
    char path[OPENED_MAX] = "";
    size_t length = OPENED_MAX - 1, rest = PAGE - address % PAGE;

    if (rw_memory_read(look->image->memory, address, path, length) < 0 &&
        rw_memory_read(look->image->memory, address, path, rest < length ? rest : length) < 0)
        return;
    path[length] = '\0';
    wait->name = talloc_asprintf(look->incident, "%s%s", path,
                                 mode == O_RDONLY   ? " for reading"
                                 : mode == O_WRONLY ? " for writing"
                                                    : "");
    if (mode != O_RDWR && waits_for_partner(look->image->pid, thread->tid))
        rw_wait_add_channel(look->incident, wait, "other", "opening")->note =
            mode == O_RDONLY ? "it is a FIFO, and nobody has opened it for writing"
                             : "it is a FIFO, and nobody has opened it for reading";
}

static char *signal_name(void *ctx, int signal)
{
    const char *name = sigabbrev_np(signal);

    return name ? talloc_asprintf(ctx, "SIG%s", name) : talloc_asprintf(ctx, "signal %d", signal);
}

void rw_wait_for_signals(const struct rw_wait_look *look, struct rw_thread *thread,
                         const struct rw_proc_syscall *call)
{
    uint64_t set = 0;
    char *words = NULL;

    if (call->number != SYS_rt_sigtimedwait ||
        rw_memory_read(look->image->memory, call->argument[0], &set, sizeof(set)) < 0 || !set)
        return;
    int count = __builtin_popcountll(set), left = count;
    if (count > SIGNALS_NAMED) {
        thread->waits_on->name = talloc_asprintf(look->incident, "any of %d signals", count);
        return;
    }
    for (int signal = 1; left > 0; signal++) {
        if (!(set >> (signal - 1) & 1))
            continue;
        const char *between = left == count ? "" : left == 1 ? " or " : ", ";
        words = talloc_asprintf(look->incident, "%s%s%s", words ? words : "", between,
                                signal_name(look->incident, signal));
        left--;
    }
    thread->waits_on->name = words;
}
