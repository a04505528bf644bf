/* SPDX-License-Identifier: MIT */
#include "shim/elf_module.h"

#include <string.h>

/* glibc relocates the pointers of the dynamic section in place, but not those of the vDSO, whose are still
 * offsets. */
static uintptr_t relocated(const struct rw_elf_module *module, Elf64_Addr pointer)
{
    return pointer < module->base ? module->base + pointer : pointer;
}

static const Elf64_Dyn *dynamic_section(const struct rw_elf_module *module)
{
    for (size_t i = 0; i < module->segment_count; i++)
        if (module->segments[i].p_type == PT_DYNAMIC)
            return (const Elf64_Dyn *)(module->base + module->segments[i].p_vaddr);
    return NULL;
}

static bool read_dynamic(struct rw_elf_module *module, const Elf64_Dyn *entry)
{
    for (; entry->d_tag != DT_NULL; entry++) {
        const uintptr_t pointer = relocated(module, entry->d_un.d_ptr);
        switch (entry->d_tag) {
        case DT_SYMTAB:
            module->symbols = (const Elf64_Sym *)pointer;
            break;
        case DT_STRTAB:
            module->strings = (const char *)pointer;
            break;
        case DT_VERSYM:
            module->versions = (const uint16_t *)pointer;
            break;
        case DT_GNU_HASH:
            module->gnu_hash = (const uint32_t *)pointer;
            break;
        case DT_HASH:
            module->sysv_hash = (const uint32_t *)pointer;
            break;
        case DT_RELA:
            module->relocations = (const Elf64_Rela *)pointer;
            break;
        case DT_RELASZ:
            module->relocation_count = entry->d_un.d_val / sizeof(Elf64_Rela);
            break;
        case DT_JMPREL:
            module->plt_relocations = (const Elf64_Rela *)pointer;
            break;
        case DT_PLTRELSZ:
            module->plt_relocation_count = entry->d_un.d_val / sizeof(Elf64_Rela);
            break;
        }
    }
    return module->symbols && module->strings;
}

bool rw_elf_module_open(struct rw_elf_module *module, const struct dl_phdr_info *info)
{
    *module = (struct rw_elf_module){
        .base = info->dlpi_addr, .segments = info->dlpi_phdr, .segment_count = info->dlpi_phnum};
    const Elf64_Dyn *entry = dynamic_section(module);
    return entry && read_dynamic(module, entry);
}

bool rw_elf_module_open_map(struct rw_elf_module *module, const struct link_map *map)
{
    *module = (struct rw_elf_module){.base = map->l_addr};
    return map->l_ld && read_dynamic(module, map->l_ld);
}

enum { ANY_TYPE = 16, VERSION_HIDDEN = 0x8000 };

/* Of several versions of a name the default one. */
static bool defines(const struct rw_elf_module *module, uint32_t index, const char *name, unsigned type)
{
    const Elf64_Sym *symbol = &module->symbols[index];
    return symbol->st_shndx != SHN_UNDEF && symbol->st_value &&
           (type == ANY_TYPE || ELF64_ST_TYPE(symbol->st_info) == type) &&
           !(module->versions && module->versions[index] & VERSION_HIDDEN) &&
           strcmp(module->strings + symbol->st_name, name) == 0;
}

static uint32_t gnu_hash_of(const char *name)
{
    uint32_t hash = 5381;
    for (const char *c = name; *c; c++)
        hash = hash * 33 + (unsigned char)*c;
    return hash;
}

/* The table's layout: bucket count, first hashed symbol, Bloom words, Bloom shift; Bloom filter; buckets;
 * chains. */
static uint32_t find_by_gnu_hash(const struct rw_elf_module *module, const char *name, uint32_t hash,
                                 unsigned type)
{
    const uint32_t *table = module->gnu_hash;
    const uint32_t bucket_count = table[0], first = table[1], bloom_words = table[2], bloom_shift = table[3];
    if (!bucket_count || !bloom_words)
        return STN_UNDEF;
    const uint64_t *bloom = (const uint64_t *)(table + 4);
    const uint32_t *buckets = (const uint32_t *)(bloom + bloom_words);
    const uint32_t *chains = buckets + bucket_count;

    const uint64_t word = bloom[hash / 64 % bloom_words];
    if (!(word >> (hash % 64) & word >> ((hash >> bloom_shift) % 64) & 1))
        return STN_UNDEF;
    uint32_t index = buckets[hash % bucket_count];
    if (index < first)
        return STN_UNDEF;
    for (;; index++) {
        const uint32_t chained = chains[index - first];
        if ((chained | 1) == (hash | 1) && defines(module, index, name, type))
            return index;
        if (chained & 1)
            return STN_UNDEF;
    }
}

static uint32_t find_by_sysv_hash(const struct rw_elf_module *module, const char *name, unsigned type)
{
    uint32_t hash = 0;
    for (const char *c = name; *c; c++) {
        hash = (hash << 4) + (unsigned char)*c;
        hash = (hash ^ (hash >> 24 & 0xf0)) & 0x0fffffff;
    }
    const uint32_t bucket_count = module->sysv_hash[0];
    if (!bucket_count)
        return STN_UNDEF;
    const uint32_t *buckets = module->sysv_hash + 2, *chains = buckets + bucket_count;
    uint32_t index = buckets[hash % bucket_count];
    while (index != STN_UNDEF && !defines(module, index, name, type))
        index = chains[index];
    return index;
}

/* `hash`: gnu_hash_of(name). */
static const Elf64_Sym *find_hashed(const struct rw_elf_module *module, const char *name, uint32_t hash,
                                    unsigned type)
{
    uint32_t index = STN_UNDEF;
    if (module->gnu_hash)
        index = find_by_gnu_hash(module, name, hash, type);
    else if (module->sysv_hash)
        index = find_by_sysv_hash(module, name, type);
    return index == STN_UNDEF ? NULL : &module->symbols[index];
}

static const Elf64_Sym *find(const struct rw_elf_module *module, const char *name, unsigned type)
{
    return find_hashed(module, name, gnu_hash_of(name), type);
}

bool rw_elf_module_function(const struct rw_elf_module *module, const char *name,
                            struct rw_elf_function *function)
{
    const Elf64_Sym *symbol = find(module, name, STT_FUNC);
    if (!symbol)
        return false;
    function->address = module->base + symbol->st_value;
    function->size = symbol->st_size;
    return true;
}

uintptr_t rw_elf_module_data(const struct rw_elf_module *module, const char *name)
{
    const Elf64_Sym *symbol = find(module, name, STT_OBJECT);
    return symbol ? module->base + symbol->st_value : 0;
}

/* An indirect function is another one than its symbol says, and what is hidden is nobody else's. */
static bool is_plain_function(const Elf64_Sym *symbol)
{
    const unsigned visibility = ELF64_ST_VISIBILITY(symbol->st_other);
    return ELF64_ST_TYPE(symbol->st_info) == STT_FUNC && ELF64_ST_BIND(symbol->st_info) != STB_LOCAL &&
           (visibility == STV_DEFAULT || visibility == STV_PROTECTED);
}

uintptr_t rw_elf_first_function(const struct rw_elf_module *modules, size_t count, const char *name)
{
    const Elf64_Sym *symbol = NULL;
    const uint32_t hash = gnu_hash_of(name);
    for (size_t i = 0; i < count && !symbol; i++) {
        symbol = find_hashed(&modules[i], name, hash, ANY_TYPE);
        if (symbol && is_plain_function(symbol))
            return modules[i].base + symbol->st_value;
    }
    return 0;
}

struct search {
    const char *name;
    struct rw_elf_module *found;
};

static int stop_where_defined(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)size;
    const struct search *search = argument;
    struct rw_elf_function function;
    return rw_elf_module_open(search->found, info) &&
           rw_elf_module_function(search->found, search->name, &function);
}

bool rw_elf_module_defining(const char *name, struct rw_elf_module *module)
{
    struct search search = {name, module};
    return dl_iterate_phdr(stop_where_defined, &search) != 0;
}

uintptr_t rw_elf_function_defining(const char *name)
{
    struct rw_elf_module module;
    struct rw_elf_function function;
    return rw_elf_module_defining(name, &module) && rw_elf_module_function(&module, name, &function)
               ? function.address
               : 0;
}

struct data_search {
    const char *name;
    uintptr_t found;
};

static int stop_where_data_is(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)size;
    struct data_search *search = argument;
    struct rw_elf_module module;
    if (rw_elf_module_open(&module, info))
        search->found = rw_elf_module_data(&module, search->name);
    return search->found != 0;
}

uintptr_t rw_elf_data_defining(const char *name)
{
    struct data_search search = {name, 0};
    dl_iterate_phdr(stop_where_data_is, &search);
    return search.found;
}

const Elf64_Phdr *rw_elf_module_segment(const struct rw_elf_module *module, uintptr_t address, size_t length)
{
    for (size_t i = 0; i < module->segment_count; i++) {
        const Elf64_Phdr *segment = &module->segments[i];
        const uintptr_t begin = module->base + segment->p_vaddr;
        if (segment->p_type == PT_LOAD && address >= begin && address - begin + length <= segment->p_memsz)
            return segment;
    }
    return NULL;
}

bool rw_elf_module_is_relro(const struct rw_elf_module *module, uintptr_t address)
{
    const uintptr_t page = 4096;
    for (size_t i = 0; i < module->segment_count; i++) {
        const Elf64_Phdr *segment = &module->segments[i];
        if (segment->p_type != PT_GNU_RELRO)
            continue;
        /* Both ends rounded down, as glibc does: what shares its last page with other data stays writable. */
        const uintptr_t begin = (module->base + segment->p_vaddr) & -page;
        const uintptr_t end = (module->base + segment->p_vaddr + segment->p_memsz) & -page;
        if (address >= begin && address < end)
            return true;
    }
    return false;
}
