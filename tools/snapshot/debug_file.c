/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/debug_file.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/snapshot/module.h"

#define DEBUG_ROOT "/usr/lib/debug"

int rw_debug_file_no_elf(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, char **file, Elf **elf)
{
    (void)module, (void)user, (void)name, (void)base, (void)file, (void)elf;
    return -1;
}

static int by_build_id(Dwfl_Module *module, const struct rw_modules *modules)
{
    const unsigned char *bits;
    GElf_Addr address;
    char path[256];

    int length = dwfl_module_build_id(module, &bits, &address);
    if (length < 3 || length > 32)
        return -1;
    int at = snprintf(path, sizeof(path), DEBUG_ROOT "/.build-id/%02x/", bits[0]);
    for (int i = 1; i < length; i++)
        at += snprintf(path + at, sizeof(path) - (size_t)at, "%02x", bits[i]);
    snprintf(path + at, sizeof(path) - (size_t)at, ".debug");
    return rw_modules_open_path(modules, path);
}

int rw_debug_file_find(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, const char *file,
                       const char *debuglink, GElf_Word crc, char **found)
{
    static const char *const forms[] = {"%.*s/%s", "%.*s/.debug/%s", DEBUG_ROOT "%.*s/%s"};
    const struct rw_modules *modules = *user;
    char path[PATH_MAX];

    (void)name, (void)base, (void)crc;
    *found = NULL;
    int fd = by_build_id(module, modules);
    if (fd >= 0 || !debuglink || !file || strchr(debuglink, '/') || !strrchr(file, '/'))
        return fd < 0 ? -1 : fd;
    /* libdw checks that the build ids agree where there are any. */
    int folder = (int)(strrchr(file, '/') - file);
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(path, sizeof(path), forms[i], folder, file, debuglink);
#pragma GCC diagnostic pop
        if (strcmp(path, file) != 0 && (fd = rw_modules_open_path(modules, path)) >= 0)
            return fd;
    }
    return -1;
}
