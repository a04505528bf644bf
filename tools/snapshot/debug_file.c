/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/debug_file.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/snapshot/module.h"

#define DEBUG_ROOT "/usr/lib/debug"

/* libdw unpacks all of a file before it tells one line: about 40 ms for each MiB packed, which for the debug
 * packages of libc and Python (as distributions have them, packed) is longer than all the rest of a snapshot
 * takes. What is not packed costs nothing until it is read. */
#define PACKED_MAX (UINT64_C(2) << 20)

static bool is_costly(int fd)
{
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    uint64_t packed = 0;

    for (Elf_Scn *section = elf ? elf_nextscn(elf, NULL) : NULL; section;
         section = elf_nextscn(elf, section)) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) && header.sh_flags & SHF_COMPRESSED)
            packed += header.sh_size;
    }
    if (elf)
        elf_end(elf);
    return packed > PACKED_MAX;
}

int rw_debug_file_no_elf(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, char **file,
                         Elf **elf)
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

static int by_link(const struct rw_modules *modules, const char *file, const char *debuglink)
{
    static const char *const before[] = {"", "", DEBUG_ROOT}, *const between[] = {"/", "/.debug/", "/"};
    char path[PATH_MAX];

    if (!debuglink || !file || strchr(debuglink, '/') || !strrchr(file, '/'))
        return -1;
    int folder = (int)(strrchr(file, '/') - file);
    for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
        snprintf(path, sizeof(path), "%s%.*s%s%s", before[i], folder, file, between[i], debuglink);
        int fd = strcmp(path, file) != 0 ? rw_modules_open_path(modules, path) : -1;
        if (fd >= 0)
            return fd;
    }
    return -1;
}

int rw_debug_file_find(Dwfl_Module *dwfl, void **user, const char *name, Dwarf_Addr base, const char *file,
                       const char *debuglink, GElf_Word crc, char **found)
{
    struct rw_module *module = *user;

    (void)name, (void)base, (void)crc; /* libdw checks that the build ids agree, where there are any */
    *found = NULL;
    int fd = by_build_id(dwfl, module->modules);
    if (fd < 0)
        fd = by_link(module->modules, file, debuglink);
    if (fd < 0)
        return -1;
    module->has_costly_lines = is_costly(fd);
    return fd;
}
