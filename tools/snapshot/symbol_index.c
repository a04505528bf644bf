/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/symbol_index.h"

#include <stdbool.h>
#include <talloc.h>

/* Addresses of so many bytes share a list. A function is in the list of each that it reaches into, so the
 * longest are in a few dozen, and hardly any list has more than a few. */
#define BUCKET 1024u

/* How far one without a size may reach. */
#define LABEL_REACH 256u

/* A file may say what it likes of its symbols. */
#define SYMBOLS_MAX (16u << 20)
#define BUCKETS_MAX (16u << 20)
#define LINKS_EACH 4u

struct symbol {
    uint64_t start, size;
    const char *name;
    unsigned rank; /* the better ones have more */
};

/* Lists of symbols, the first of the table last. Number 0 is none. */
struct link {
    uint32_t symbol, next;
};

struct rw_symbol_index {
    Dwfl_Module *module;
    uint64_t start;
    size_t bucket_count;
    uint32_t *buckets; /* the first link of each; NULL: there are no lists, and libdw has to search */
    struct symbol *symbols;
    struct link *links;
    uint32_t symbol_count, link_count, link_max;
};

/* Global symbols are what a program is written with; local ones of the same address are other names for them.
 */
static unsigned rank_of(const GElf_Sym *symbol)
{
    switch (GELF_ST_BIND(symbol->st_info)) {
    case STB_GLOBAL:
        return 3;
    case STB_WEAK:
        return 2;
    default:
        return 1;
    }
}

static bool is_place(const GElf_Sym *symbol)
{
    unsigned type = GELF_ST_TYPE(symbol->st_info);

    return symbol->st_shndx != SHN_UNDEF && symbol->st_size != 0 && type != STT_SECTION && type != STT_FILE &&
           type != STT_TLS;
}

static bool add_link(struct rw_symbol_index *index, size_t bucket, uint32_t symbol)
{
    if (index->link_count == index->link_max)
        return false;
    index->links[index->link_count] = (struct link){symbol, index->buckets[bucket]};
    index->buckets[bucket] = index->link_count++;
    return true;
}

static bool add(struct rw_symbol_index *index, const char *name, uint64_t start, const GElf_Sym *symbol)
{
    uint64_t end = index->start + index->bucket_count * BUCKET;

    if (start < index->start || start >= end)
        return true;
    uint64_t last = symbol->st_size < end - start ? start + symbol->st_size - 1 : end - 1;
    index->symbols[index->symbol_count] = (struct symbol){start, symbol->st_size, name, rank_of(symbol)};
    for (size_t bucket = (size_t)((start - index->start) / BUCKET);
         bucket <= (size_t)((last - index->start) / BUCKET); bucket++)
        if (!add_link(index, bucket, index->symbol_count))
            return false;
    index->symbol_count++;
    return true;
}

static bool fill(struct rw_symbol_index *index, int count)
{
    for (int i = 1; i < count; i++) {
        GElf_Sym symbol;
        GElf_Addr start;
        const char *name = dwfl_module_getsym_info(index->module, i, &symbol, &start, NULL, NULL, NULL);
        if (name && name[0] && is_place(&symbol) && !add(index, name, start, &symbol))
            return false;
    }
    return true;
}

struct rw_symbol_index *rw_symbol_index_new(void *parent, Dwfl_Module *module)
{
    struct rw_symbol_index *index = talloc_zero(parent, struct rw_symbol_index);
    Dwarf_Addr start = 0, end = 0;

    if (!index)
        return NULL;
    index->module = module;
    dwfl_module_info(module, NULL, &start, &end, NULL, NULL, NULL, NULL);
    index->start = start;
    index->bucket_count = (size_t)((end - start) / BUCKET) + 1;
    int count = dwfl_module_getsymtab(module);
    if (count <= 0 || index->bucket_count > BUCKETS_MAX || (uint32_t)count > SYMBOLS_MAX)
        return index;
    index->link_max = LINKS_EACH * ((uint32_t)count + (uint32_t)index->bucket_count);
    index->buckets = talloc_zero_array(index, uint32_t, index->bucket_count);
    index->symbols = talloc_array(index, struct symbol, (size_t)count);
    index->links = talloc_array(index, struct link, index->link_max);
    index->link_count = 1;
    if (!index->buckets || !index->symbols || !index->links || !fill(index, count)) {
        talloc_free(index->buckets);
        index->buckets = NULL;
    }
    return index;
}

static bool is_better(const struct symbol *one, const struct symbol *other)
{
    bool is_local = one->rank == 1, other_is_local = other->rank == 1;

    if (is_local != other_is_local)
        return other_is_local;
    /* As good as the other it is the better one: the list begins with the last of the table. */
    return one->start != other->start ? one->start > other->start : one->rank >= other->rank;
}

static const struct symbol *best_of(const struct rw_symbol_index *index, uint64_t address)
{
    const struct symbol *best = NULL;
    size_t bucket = (size_t)((address - index->start) / BUCKET);

    if (!index->buckets || address < index->start || bucket >= index->bucket_count)
        return NULL;
    for (uint32_t at = index->buckets[bucket]; at; at = index->links[at].next) {
        const struct symbol *symbol = &index->symbols[index->links[at].symbol];
        if (address >= symbol->start && address - symbol->start < symbol->size &&
            (!best || is_better(symbol, best)))
            best = symbol;
    }
    return best;
}

const char *rw_symbol_index_find(const struct rw_symbol_index *index, uint64_t address, uint64_t *offset)
{
    const struct symbol *best = best_of(index, address);
    GElf_Sym nearest;

    if (best) {
        *offset = address - best->start;
        return best->name;
    }
    /* libdw hands out the nearest symbol below, also one that ended before: in a stripped file that would be
     * a wrong name. A size of 0 is hand-written assembly, which is short. */
    const char *name = dwfl_module_addrinfo(index->module, address, offset, &nearest, NULL, NULL, NULL);
    return name && *offset < (nearest.st_size ? nearest.st_size : LABEL_REACH) ? name : NULL;
}
