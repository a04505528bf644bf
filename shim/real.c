/* SPDX-License-Identifier: MIT */
#include "shim/real.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stddef.h>
#include <sys/auxv.h>

#include "shim/elf_module.h"
#include "shim/lock_order.h"
#include "shim/vdso.h"

static const char not_known;

struct rw_real rw_real;
const char *rw_is_single_threaded = &not_known;

#define RW_REAL(result, name, symbol, version, arguments) {offsetof(struct rw_real, name), symbol, version},
static const struct {
    size_t offset;
    const char *symbol;
    const char *version;
} table[] = {
#include "shim/real.def"
};
#undef RW_REAL

typedef void *(*dlsym_fn)(void *, const char *);

/* The shim may export a dlsym of its own: ask for libc's by version. libc has had one since 2.34, before that
 * libdl had it. */
static dlsym_fn real_dlsym(void)
{
    static dlsym_fn found;
    if (!found)
        found = (dlsym_fn)dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
    if (!found)
        found = (dlsym_fn)dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    return found;
}

static void resolve_own_needs(dlsym_fn lookup)
{
    rw_real.clock_gettime = rw_vdso_clock_gettime();
    const char *single = lookup(RTLD_DEFAULT, "__libc_single_threaded"); /* since 2.32 */
    if (single && !rw_lock_order_on)                                     /* which has set it aside */
        rw_is_single_threaded = single;
    /* A variable of the dynamic loader: naming it in the code would make the shim need the loader's library.
     */
    void **stack_end = lookup(RTLD_DEFAULT, "__libc_stack_end");
    if (stack_end)
        rw_real.stack_end = *stack_end;
}

/*
 * Those behind this one in the lookup order, which is that of the dynamic linker's list: what a program
 * dlopens is behind them all. Not by dl_iterate_phdr, see dlsym_watch.c. The kernel's own, which is in the
 * list, is not in the order.
 */
static size_t modules_behind(dlsym_fn lookup, struct rw_elf_module *modules, size_t max)
{
    const struct r_debug *debug = lookup(RTLD_DEFAULT, "_r_debug");
    const struct link_map *map = debug ? debug->r_map : NULL;
    while (map && map->l_ld != _DYNAMIC)
        map = map->l_next;
    size_t count = 0;
    for (map = map ? map->l_next : NULL; map && count < max; map = map->l_next) {
        if (map->l_addr != getauxval(AT_SYSINFO_EHDR) && rw_elf_module_open_map(&modules[count], map))
            count++;
    }
    return count;
}

const char *rw_real_resolve(void)
{
    int kept = errno;
    const char *missing = NULL;
    dlsym_fn lookup = real_dlsym();
    if (!lookup)
        return "dlsym";
    struct rw_elf_module modules[16];
    size_t count = modules_behind(lookup, modules, sizeof modules / sizeof modules[0]);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        void **slot = (void **)((char *)&rw_real + table[i].offset);
        if (*slot)
            continue;
        if (table[i].version)
            *slot = dlvsym(RTLD_NEXT, table[i].symbol, table[i].version);
        else
            *slot = (void *)rw_elf_first_function(modules, count, table[i].symbol);
        if (!*slot && !table[i].version)
            *slot = lookup(RTLD_NEXT, table[i].symbol);
        if (!*slot)
            missing = table[i].symbol;
    }
    resolve_own_needs(lookup);
    if (missing)
        dlerror(); /* the program must not be told of a lookup of ours */
    errno = kept;
    return missing;
}
