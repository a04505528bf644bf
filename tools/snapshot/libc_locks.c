/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/libc_locks.h"

#include <string.h>

#include "tools/incident/words.h"

/* Frames of libc's own between the wait and the function that took the lock. */
#define DEPTH_MAX 12

#define STREAM "the _IO_lock of a stream (libc's stdio)"

/* These locks have no symbol of their own in a stripped libc, and those of streams and of malloc's arenas lie
 * on heaps. Who waits for them does not: by the beginnings of the functions' names, without leading
 * underscores. */
static const struct {
    const char *function, *name;
} functions[] = {
    {"add_to_environ", "setenv's lock of the environment (libc)"},
    {"setenv", "setenv's lock of the environment (libc)"},
    {"unsetenv", "setenv's lock of the environment (libc)"},
    {"putenv", "setenv's lock of the environment (libc)"},
    {"clearenv", "setenv's lock of the environment (libc)"},
    {"tz_convert", "tzset_lock (libc's time zone)"},
    {"tzset", "tzset_lock (libc's time zone)"},
    {"localtime", "tzset_lock (libc's time zone)"},
    {"malloc", "the lock of a malloc arena (libc)"},
    {"calloc", "the lock of a malloc arena (libc)"},
    {"realloc", "the lock of a malloc arena (libc)"},
    {"libc_malloc", "the lock of a malloc arena (libc)"},
    {"libc_calloc", "the lock of a malloc arena (libc)"},
    {"libc_realloc", "the lock of a malloc arena (libc)"},
    {"libc_free", "the lock of a malloc arena (libc)"},
    {"int_malloc", "the lock of a malloc arena (libc)"},
    {"int_free", "the lock of a malloc arena (libc)"},
    {"arena_get", "the lock of a malloc arena (libc)"},
    {"IO_", STREAM},
    {"fwrite", STREAM},
    {"fflush", STREAM},
    {"fputs", STREAM},
    {"puts", STREAM},
    {"vfprintf", STREAM},
    {"flockfile", STREAM},
    {"run_exit_handlers", "the lock of the exit handlers (libc)"},
    {"cxa_atexit", "the lock of the exit handlers (libc)"},
    {"dl_open", "the loader's lock (_rtld_global)"},
    {"dl_iterate_phdr", "the loader's lock (_rtld_global)"},
    {"getaddrinfo", "the resolver's lock (libc)"},
};

static const char *lock_of_frame(const struct rw_frame *frame)
{
    const char *name = frame->function;

    if (!name)
        return NULL;
    name += strspn(name, "_");
    if (strncmp(name, "GI_", 3) == 0)
        name += 3 + strspn(name + 3, "_");
    for (size_t j = 0; j < sizeof(functions) / sizeof(functions[0]); j++)
        if (strncmp(name, functions[j].function, strlen(functions[j].function)) == 0)
            return functions[j].name;
    return NULL;
}

const char *rw_libc_lock_name(const struct rw_thread *thread)
{
    for (size_t i = 0; i < thread->native_count && i < DEPTH_MAX; i++) {
        const char *name;

        if (thread->native[i].is_shim)
            continue;
        if (!rw_is_plumbing(&thread->native[i]))
            return NULL;
        name = lock_of_frame(&thread->native[i]);
        if (name)
            return name;
    }
    return NULL;
}

const struct rw_frame *rw_libc_lock_taken_before(const struct rw_thread *thread, const char *name)
{
    bool is_left = false;

    for (size_t i = 0; i < thread->native_count; i++) {
        const struct rw_frame *frame = &thread->native[i];
        bool is_own = frame->is_shim || rw_is_plumbing(frame);
        const char *taken = is_left && is_own ? lock_of_frame(frame) : NULL;

        if (taken && strcmp(taken, name) == 0)
            return frame;
        is_left |= !is_own;
    }
    return NULL;
}

bool rw_libc_lock_is_stream(const struct rw_thread *thread)
{
    const char *name = rw_libc_lock_name(thread);

    return name && strcmp(name, STREAM) == 0;
}
