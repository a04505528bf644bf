/* SPDX-License-Identifier: MIT */
/* From names to addresses. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include <uthash.h>

#include "tools/basics/paths.h"
#include "tools/snapshot/shared_places.h"
#include "tools/snapshot/symbols_internal.h"

static Elf_Scn *section_of_type(Elf *elf, GElf_Word type, GElf_Shdr *header)
{
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section))
        if (gelf_getshdr(section, header) && header->sh_type == type)
            return section;
    return NULL;
}

typedef bool (*symbol_fn)(void *ctx, const char *name, const GElf_Sym *symbol);

/* Calls `each` for the defined symbols of a table until it returns true. */
static bool each_symbol(Elf *elf, GElf_Word table, symbol_fn each, void *ctx)
{
    GElf_Shdr header;
    Elf_Scn *section = section_of_type(elf, table, &header);
    Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;

    if (!data || header.sh_entsize == 0)
        return false;
    for (size_t i = 1; i < header.sh_size / header.sh_entsize; i++) {
        GElf_Sym symbol;
        if (!gelf_getsym(data, (int)i, &symbol) || symbol.st_shndx == SHN_UNDEF ||
            symbol.st_shndx == SHN_ABS || GELF_ST_TYPE(symbol.st_info) == STT_TLS || symbol.st_name == 0)
            continue;
        const char *name = elf_strptr(elf, header.sh_link, symbol.st_name);
        if (name && each(ctx, name, &symbol))
            return true;
    }
    return false;
}

struct by_name {
    const char *name;
    uint64_t value;
};

static bool has_name(void *opaque, const char *name, const GElf_Sym *symbol)
{
    struct by_name *wanted = opaque;

    if (strcmp(name, wanted->name) != 0)
        return false;
    wanted->value = symbol->st_value;
    return true;
}

/* Whether that table of the module's file has the name; `value` as linked. */
static bool has_symbol(struct rw_symbols *symbols, struct rw_module *module, GElf_Word table,
                       const char *name, uint64_t *value)
{
    struct by_name wanted = {.name = name};
    int known = symbols->shared ? rw_shared_name_find(symbols->shared, module, table, name, value) : -1;

    if (known == 0 || rw_module_open(symbols->modules, module) < 0 || !module->elf)
        return false;
    if (known > 0)
        return true;
    bool is_there = each_symbol(module->elf, table, has_name, &wanted);
    *value = wanted.value;
    if (symbols->shared)
        rw_shared_name_add(symbols->shared, module, table, name, is_there, wanted.value);
    return is_there;
}

uint64_t rw_symbols_address_in(struct rw_symbols *symbols, const char *module_name, const char *name)
{
    static const GElf_Word tables[] = {SHT_DYNSYM, SHT_SYMTAB};
    struct rw_modules *modules = symbols->modules;

    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
        for (size_t i = 0; i < modules->count; i++) {
            struct rw_module *module = &modules->items[i];
            uint64_t value;
            if (module_name && strncmp(rw_base_name(module->path), module_name, strlen(module_name)) != 0)
                continue;
            if (has_symbol(symbols, module, tables[t], name, &value))
                return value + module->bias;
        }
    return 0;
}

/* A symbol table is read from end to end for each name and for each address, and a thousand threads that wait
 * for one lock ask for the same ones. */
struct rw_named {
    const char *name;
    uint64_t address;
    UT_hash_handle hh;
};

uint64_t rw_symbols_address_of(struct rw_symbols *symbols, const char *name)
{
    struct rw_named *named;

    HASH_FIND_STR(symbols->named, name, named);
    if (named)
        return named->address;
    uint64_t address = rw_symbols_address_in(symbols, NULL, name);
    named = talloc_zero(symbols, struct rw_named);
    if (named && (named->name = talloc_strdup(named, name))) {
        named->address = address;
        HASH_ADD_KEYPTR(hh, symbols->named, named->name, strlen(named->name), named);
    }
    return address;
}

int rw_symbols_section(struct rw_symbols *symbols, const char *path, const char *name, uint64_t *address,
                       uint64_t *size)
{
    struct rw_modules *modules = symbols->modules;

    for (size_t i = 0; i < modules->count; i++) {
        struct rw_module *module = &modules->items[i];
        size_t names;
        if ((path && strcmp(path, module->path) != 0) || rw_module_open(modules, module) < 0 ||
            !module->elf || elf_getshdrstrndx(module->elf, &names) < 0)
            continue;
        for (Elf_Scn *section = elf_nextscn(module->elf, NULL); section;
             section = elf_nextscn(module->elf, section)) {
            GElf_Shdr header;
            const char *text =
                gelf_getshdr(section, &header) ? elf_strptr(module->elf, names, header.sh_name) : NULL;
            if (!text || strcmp(text, name) != 0 || !(header.sh_flags & SHF_ALLOC))
                continue;
            *address = header.sh_addr + module->bias;
            *size = header.sh_size;
            return 0;
        }
    }
    return -ENOENT;
}

struct by_address {
    uint64_t address;
    const char *name;
    uint64_t offset;
};

static bool holds_address(void *opaque, const char *name, const GElf_Sym *symbol)
{
    struct by_address *wanted = opaque;

    if (GELF_ST_TYPE(symbol->st_info) != STT_OBJECT || wanted->address < symbol->st_value ||
        wanted->address - symbol->st_value >= symbol->st_size)
        return false;
    wanted->name = name;
    wanted->offset = wanted->address - symbol->st_value;
    return true;
}

/* A module's zeroed data is an anonymous mapping behind its own. */
static struct rw_module *module_of_data(struct rw_modules *modules, uint64_t address)
{
    struct rw_module *module = rw_modules_find(modules, address);

    for (size_t i = 0; !module && i < modules->count; i++) {
        struct rw_module *candidate = &modules->items[i];
        if (candidate->end > address || rw_module_open(modules, candidate) < 0)
            continue;
        for (unsigned s = 0; s < candidate->segment_count; s++) {
            uint64_t start = candidate->segments[s].address + candidate->bias;
            if (address >= start && address - start < candidate->segments[s].memory_size)
                module = candidate;
        }
    }
    return module;
}

struct rw_data {
    uint64_t address;
    int result;
    const char *object, *path;
    UT_hash_handle hh;
};

void rw_symbols_forget_found(struct rw_symbols *symbols)
{
    HASH_CLEAR(hh, symbols->named);
    HASH_CLEAR(hh, symbols->data);
}

static int find_data(struct rw_symbols *symbols, uint64_t address, void *ctx, const char **object,
                     const char **path)
{
    struct rw_module *module = module_of_data(symbols->modules, address);

    *object = *path = NULL;
    if (!module || rw_module_open(symbols->modules, module) < 0)
        return -ENOENT;
    *path = talloc_strdup(ctx, module->path);
    struct by_address wanted = {.address = address - module->bias};
    if (module->elf && (each_symbol(module->elf, SHT_SYMTAB, holds_address, &wanted) ||
                        each_symbol(module->elf, SHT_DYNSYM, holds_address, &wanted)))
        *object = wanted.offset
                      ? talloc_asprintf(ctx, "%s+0x%llx", wanted.name, (unsigned long long)wanted.offset)
                      : talloc_strdup(ctx, wanted.name);
    return 0;
}

int rw_symbols_data(struct rw_symbols *symbols, uint64_t address, void *ctx, const char **object,
                    const char **path)
{
    struct rw_data *data;

    HASH_FIND(hh, symbols->data, &address, sizeof(address), data);
    if (!data) {
        data = talloc_zero(symbols, struct rw_data);
        if (!data)
            return find_data(symbols, address, ctx, object, path);
        data->address = address;
        data->result = find_data(symbols, address, data, &data->object, &data->path);
        HASH_ADD(hh, symbols->data, address, sizeof(data->address), data);
    }
    *object = talloc_strdup(ctx, data->object);
    *path = talloc_strdup(ctx, data->path);
    return data->result;
}
