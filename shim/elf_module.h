/* SPDX-License-Identifier: MIT */
/*
 * Looks into the ELF modules that are loaded in this process, by the tables that the dynamic linker itself
 * uses. dlsym would do for most of it, but it takes four times as long, a failing dlsym allocates and leaves
 * an error behind for the program's next dlerror, and it cannot name the relocations. Nothing here allocates,
 * takes a lock other than that of dl_iterate_phdr, or changes errno.
 *
 * A view is valid as long as its module stays loaded. In the target, any thread, not in signal handlers.
 */
#ifndef RACEWATCH_SHIM_ELF_MODULE_H
#define RACEWATCH_SHIM_ELF_MODULE_H

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rw_elf_module {
    uintptr_t
        base; /* what its addresses are relative to: 0 for an executable that is not position-independent */
    const Elf64_Phdr *segments;
    size_t segment_count;
    const Elf64_Sym *symbols;
    const char *strings;
    const uint16_t *versions; /* NULL where symbols have none */
    const uint32_t *gnu_hash; /* NULL where it has the old table only */
    const uint32_t *sysv_hash;
    const Elf64_Rela *relocations; /* DT_RELA: GLOB_DAT among others */
    size_t relocation_count;
    const Elf64_Rela *plt_relocations; /* DT_JMPREL: JUMP_SLOT */
    size_t plt_relocation_count;
};

/* A function that a module defines. */
struct rw_elf_function {
    uintptr_t address;
    size_t size; /* bytes, 0 where the symbol does not say */
};

/* Fills `module` from what dl_iterate_phdr told. False where it has no dynamic symbols. */
bool rw_elf_module_open(struct rw_elf_module *module, const struct dl_phdr_info *info);

/* The same from the dynamic linker's own list; without its segments. */
bool rw_elf_module_open_map(struct rw_elf_module *module, const struct link_map *map);

/* Finds the function `name` among those that the module exports. False if it has none. */
bool rw_elf_module_function(const struct rw_elf_module *module, const char *name,
                            struct rw_elf_function *function);

/* The address of the variable `name` that the module exports, 0 if it has none. */
uintptr_t rw_elf_module_data(const struct rw_elf_module *module, const char *name);

/* The variable `name` as the program has it, of the first module in load order: an executable may have a copy
 * of its own of a library's. 0 if none exports it. */
uintptr_t rw_elf_data_defining(const char *name);

/* The first module in load order (the executable first) that exports the function `name`. False if none does.
 */
bool rw_elf_module_defining(const char *name, struct rw_elf_module *module);

/* That function of that module: whom the program calls by the name, a sanitizer's before libc's. 0 if none
 * does.
 */
uintptr_t rw_elf_function_defining(const char *name);

/* What dlsym finds for `name` if it searches these modules in this order. 0: none has it, or only dlsym can
 * tell what it is. */
uintptr_t rw_elf_first_function(const struct rw_elf_module *modules, size_t count, const char *name);

/* The loadable segment that covers [address, address + length), or NULL. */
const Elf64_Phdr *rw_elf_module_segment(const struct rw_elf_module *module, uintptr_t address, size_t length);

/* Whether the dynamic linker made `address` read-only after relocation (PT_GNU_RELRO). */
bool rw_elf_module_is_relro(const struct rw_elf_module *module, uintptr_t address);

#endif
