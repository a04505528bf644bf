/* SPDX-License-Identifier: MIT */
/* Which line of a stack a person should read: the user's own code, not what it is made of. */
#include "tools/incident/words.h"

#include <string.h>

#include "tools/basics/paths.h"

bool rw_is_library_file(const char *file)
{
    /* Where Python's own modules and installed packages live, on Debian, under pyenv, in environments and
     * in the wheels that Bazel's rules unpack. */
    static const char *const parts[] = {"/site-packages/", "/dist-packages/", "/lib/python3",
                                        "/lib64/python3"};

    if (!file || strncmp(file, "<frozen", 7) == 0)
        return true;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(file, parts[i]))
            return true;
    return false;
}

/* What a compiler or a toolchain brings along in source: headers of the system, C++'s and Rust's own
 * libraries. */
static bool is_toolchain_source(const char *file)
{
    /* Rust's own builds call their sources "library/std/src/...", others by a path. */
    static const char *const starts[] = {"/usr/include/",     "/usr/lib/",        "/rustc/",
                                         "/build/",           "library/std/src/", "library/core/src/",
                                         "library/alloc/src/"};
    static const char *const parts[] = {"/include/c++/", "/library/std/src/", "/library/core/src/",
                                        "/library/alloc/src/", "/.cargo/registry/src/"};

    for (size_t i = 0; file && i < sizeof starts / sizeof *starts; i++)
        if (strncmp(file, starts[i], strlen(starts[i])) == 0)
            return true;
    for (size_t i = 0; file && i < sizeof parts / sizeof *parts; i++)
        if (strstr(file, parts[i]))
            return true;
    return false;
}

bool rw_is_plumbing(const struct rw_frame *frame)
{
    static const char *const libraries[] = {"libc.so",      "libc-2.",    "libpthread",  "ld-linux",
                                            "libstdc++.so", "libgcc_s.",  "libpython3.", "libdl.so",
                                            "librt.so.",    "libgomp.so", "libomp.so",   "[vdso]"};
    const char *module = rw_base_name(frame->module);

    if (frame->is_shim || frame->is_python_eval || !module || is_toolchain_source(frame->file))
        return true;
    /* The executable itself is Python where it is linked statically. */
    if (strncmp(module, "python3", 7) == 0 || strcmp(module, "python") == 0)
        return true;
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        if (strncmp(module, libraries[i], strlen(libraries[i])) == 0)
            return true;
    return false;
}

const char *rw_toolchain_call(const struct rw_thread *thread)
{
    size_t own = 0;

    while (own < thread->native_count && rw_is_plumbing(&thread->native[own]))
        own++;
    if (own == 0 || own == thread->native_count)
        return NULL;
    const struct rw_frame *called = &thread->native[own - 1];
    return is_toolchain_source(called->file) ||
                   (called->module && strncmp(rw_base_name(called->module), "libstdc++.so", 12) == 0)
               ? called->function
               : NULL;
}

static char *python_place(void *ctx, const struct rw_python_frame *frame)
{
    const char *file = frame->file ? frame->file : "?";

    if (frame->line > 0)
        return rw_words(ctx, "%s:%d in %s", file, frame->line, frame->function ? frame->function : "?");
    return rw_words(ctx, "%s in %s", file, frame->function ? frame->function : "?");
}

static char *native_place(void *ctx, const struct rw_frame *frame)
{
    if (frame->file && frame->line > 0)
        return rw_words(ctx, "%s:%d in %s", frame->file, frame->line,
                        frame->function ? frame->function : "?");
    if (frame->function)
        return rw_words(ctx, "%s+0x%llx (%s)", frame->function, (unsigned long long)frame->offset,
                        frame->module ? rw_base_name(frame->module) : "?");
    if (!frame->module)
        return rw_words(ctx, "0x%llx", (unsigned long long)frame->pc);
    return rw_words(ctx, "%s+0x%llx", rw_base_name(frame->module), (unsigned long long)frame->module_offset);
}

bool rw_is_in_no_file(const char *place)
{
    return place && place[0] == '<';
}

bool rw_is_interpreter_place(const char *place)
{
    return place && (strstr(place, "(python3") || strstr(place, "(libpython3") || strstr(place, "(python+"));
}

char *rw_file_place(void *ctx, const struct rw_thread *thread)
{
    for (size_t i = 0; i < thread->python_count; i++) {
        const struct rw_python_frame *frame = &thread->python[i];

        if (!frame->is_torn && !rw_is_in_no_file(frame->file) && !rw_is_library_file(frame->file))
            return python_place(ctx, frame);
    }
    return rw_place(ctx, thread);
}

char *rw_place(void *ctx, const struct rw_thread *thread)
{
    const struct rw_frame *best = NULL;

    for (size_t i = 0; i < thread->python_count; i++)
        if (!thread->python[i].is_torn && thread->python[i].file &&
            !rw_is_library_file(thread->python[i].file))
            return python_place(ctx, &thread->python[i]);
    if (thread->python_count && thread->python[0].file)
        return python_place(ctx, &thread->python[0]);
    for (size_t i = 0; i < thread->native_count && !best; i++)
        if (!rw_is_plumbing(&thread->native[i]))
            best = &thread->native[i];
    for (size_t i = 0; i < thread->native_count && !best; i++)
        if (!thread->native[i].is_shim)
            best = &thread->native[i];
    return best ? native_place(ctx, best) : NULL;
}
