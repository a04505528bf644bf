/* SPDX-License-Identifier: MIT */
/*
 * exec and posix_spawn. The environment is the program's to choose; nothing is put into it here (where the
 * schedule is bent, the entry that names the process's place changes its value). execl, execle and execlp are
 * not wrapped: their exec is seen by the recording that the new program begins under the same pid.
 */
#include <errno.h>
#include <unistd.h>

#include "shim/perturb.h"
#include "shim/crash.h"
#include "shim/real.h"
#include "shim/recorder.h"
#include "shim/recording_file.h"
#include "shim/self.h"

/* A child of vfork writes nothing: the recording that it sees is its parent's. */
static bool begin(const void *return_address)
{
    if (rw_live == NULL || rw_is_vfork_child())
        return false;
    rw_crash_first();
    rw_record_event(RW_EVENT_EXEC, 0, 0, return_address);
    if (rw_is_recording_own())
        __atomic_store_n(&rw_header->exec_ns, rw_recorder_now(), __ATOMIC_RELEASE);
    return true;
}

static int failed(bool is_recorded, const void *return_address)
{
    int error = errno;
    if (is_recorded && rw_is_recording_own()) {
        __atomic_store_n(&rw_header->exec_ns, 0, __ATOMIC_RELEASE);
        rw_record_event(RW_EVENT_EXEC_FAILED, 0, (uint64_t)error, return_address);
    }
    errno = error;
    return -1;
}

/* `placed` is the environment to hand on. */
#define EXEC(environment, call)                                                                              \
    do {                                                                                                     \
        const void *return_address = __builtin_return_address(0);                                            \
        char entry[RW_PLACE_ENTRY], **list = __builtin_alloca(rw_place_entries(environment) * sizeof *list); \
        char *const *placed = rw_place_environment(environment, list, entry);                                \
        bool is_recorded = begin(return_address);                                                            \
        call;                                                                                                \
        return failed(is_recorded, return_address);                                                          \
    } while (0)

RW_EXPORT int execve(const char *path, char *const arguments[], char *const environment[])
{
    EXEC(environment, RW_REAL_OF(execve)(path, arguments, placed));
}

RW_EXPORT int execv(const char *path, char *const arguments[])
{
    EXEC(environ, placed == environ ? RW_REAL_OF(execv)(path, arguments)
                                    : RW_REAL_OF(execve)(path, arguments, placed));
}

RW_EXPORT int execvp(const char *file, char *const arguments[])
{
    EXEC(environ, placed == environ ? RW_REAL_OF(execvp)(file, arguments)
                                    : RW_REAL_OF(execvpe)(file, arguments, placed));
}

RW_EXPORT int execvpe(const char *file, char *const arguments[], char *const environment[])
{
    EXEC(environment, RW_REAL_OF(execvpe)(file, arguments, placed));
}

RW_EXPORT int fexecve(int fd, char *const arguments[], char *const environment[])
{
    EXEC(environment, RW_REAL_OF(fexecve)(fd, arguments, placed));
}

RW_EXPORT int execveat(int fd, const char *path, char *const arguments[], char *const environment[],
                       int flags)
{
    EXEC(environment, RW_REAL_OF(execveat)(fd, path, arguments, placed, flags));
}

typedef int spawn_fn RW_SPAWN_ARGUMENTS;

static int spawn(spawn_fn *real, pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[],
                 const void *return_address)
{
    pid_t child = 0;
    char entry[RW_PLACE_ENTRY], **list = __builtin_alloca(rw_place_entries(environment) * sizeof *list);
    int error = real(&child, file, actions, attributes, arguments,
                     (char *const *)rw_place_environment(environment, list, entry));
    if (error == 0 && pid)
        *pid = child;
    if (!rw_is_vfork_child())
        rw_record_event(RW_EVENT_SPAWN, 0, error != 0 ? (uint64_t) - (int64_t)error : (uint64_t)child,
                        return_address);
    return error;
}

#define SPAWN(name, real)                                                                                    \
    RW_EXPORT int name(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,              \
                       const posix_spawnattr_t *attributes, char *const arguments[],                         \
                       char *const environment[]);                                                           \
    int name(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,                        \
             const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[])        \
    {                                                                                                        \
        return spawn(RW_REAL_OF(real), pid, file, actions, attributes, arguments, environment,               \
                     __builtin_return_address(0));                                                           \
    }

SPAWN(rw_spawn_2_15, posix_spawn)
SPAWN(rw_spawnp_2_15, posix_spawnp)
SPAWN(rw_spawn_2_2_5, posix_spawn_2_2_5)
SPAWN(rw_spawnp_2_2_5, posix_spawnp_2_2_5)
__asm__(".symver rw_spawn_2_15, posix_spawn@@@GLIBC_2.15");
__asm__(".symver rw_spawnp_2_15, posix_spawnp@@@GLIBC_2.15");
__asm__(".symver rw_spawn_2_2_5, posix_spawn@GLIBC_2.2.5, remove");
__asm__(".symver rw_spawnp_2_2_5, posix_spawnp@GLIBC_2.2.5, remove");
