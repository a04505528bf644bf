/* SPDX-License-Identifier: MIT */
#include "shim/got_patch.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "shim/raw.h"

enum { PAGE = 4096 };

static const struct rw_got_patch *find(const struct rw_got_patch *patches, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (patches[i].name && strcmp(patches[i].name, name) == 0)
            return &patches[i];
    return NULL;
}

/* One aligned store: a thread that calls through the slot meanwhile gets the old function or the new one. */
static int write_slot(const struct rw_elf_module *module, uintptr_t slot, const void *value)
{
    const long page = (long)(slot & -(uintptr_t)PAGE);
    const bool relro = rw_elf_module_is_relro(module, slot);
    const long refused = relro ? rw_raw3(SYS_mprotect, page, PAGE, PROT_READ | PROT_WRITE) : 0;
    if (refused)
        return (int)refused;
    __atomic_store_n((uintptr_t *)slot, (uintptr_t)value, __ATOMIC_RELEASE);
    if (relro)
        rw_raw3(SYS_mprotect, page, PAGE, PROT_READ);
    return 0;
}

static int patch_table(const struct rw_elf_module *module, const Elf64_Rela *table, size_t length,
                       const struct rw_got_patch *patches, size_t count)
{
    int changed = 0;
    for (size_t i = 0; i < length; i++) {
        const uint32_t type = (uint32_t)ELF64_R_TYPE(table[i].r_info);
        if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT)
            continue;
        const Elf64_Sym *symbol = &module->symbols[ELF64_R_SYM(table[i].r_info)];
        const struct rw_got_patch *patch = find(patches, count, module->strings + symbol->st_name);
        const uintptr_t slot = module->base + table[i].r_offset;
        /* A weak reference that nothing satisfied stays what the program takes it for. */
        if (!patch || *(uintptr_t *)slot == 0 || *(uintptr_t *)slot == (uintptr_t)patch->replacement)
            continue;
        const int error = write_slot(module, slot, patch->replacement);
        if (error)
            return error;
        changed++;
    }
    return changed;
}

int rw_got_patch(const struct rw_elf_module *module, const struct rw_got_patch *patches, size_t count)
{
    const int called =
        patch_table(module, module->plt_relocations, module->plt_relocation_count, patches, count);
    const int other = patch_table(module, module->relocations, module->relocation_count, patches, count);
    return called < 0 ? called : other < 0 ? other : called + other;
}

struct loaded {
    const struct rw_got_patch *patches;
    size_t count;
    int result;
};

static int patch_loaded_module(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)size;
    struct loaded *loaded = argument;
    struct rw_elf_module module;
    const int changed =
        rw_elf_module_open(&module, info) ? rw_got_patch(&module, loaded->patches, loaded->count) : 0;
    if (changed < 0)
        loaded->result = changed;
    return 0;
}

int rw_got_patch_loaded(const struct rw_got_patch *patches, size_t count)
{
    struct loaded loaded = {.patches = patches, .count = count};
    dl_iterate_phdr(patch_loaded_module, &loaded);
    return loaded.result;
}
