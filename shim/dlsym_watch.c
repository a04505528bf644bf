/* SPDX-License-Identifier: MIT */
#include "shim/dlsym_watch.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>

#include "shim/elf_module.h"

/* Read by dlsym_entry.S. Not 0 until the real dlsym has been found, and while somebody watches. */
unsigned char rw_dlsym_is_watched = 1;
void *(*rw_dlsym_real)(void *, const char *);

/* Called by dlsym_entry.S. */
void rw_dlsym_seen(void *handle, const char *name);

static void (*watcher)(void *handle, const char *name);

struct search {
    bool passed_self;
    uintptr_t found;
};

static int find_next(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)size;
    struct search *search = argument;
    struct rw_elf_module module;
    struct rw_elf_function function;
    if (!rw_elf_module_open(&module, info))
        return 0;
    if (rw_elf_module_segment(&module, (uintptr_t)&rw_dlsym_is_watched, 1)) {
        search->passed_self = true;
        return 0;
    }
    if (!search->passed_self || !rw_elf_module_function(&module, "dlsym", &function))
        return 0;
    search->found = function.address;
    return 1;
}

/* The next one in load order, as RTLD_NEXT would find it: but dlvsym would allocate, inside of malloc
 * perhaps. */
static void find_real(void)
{
    struct search search = {0};
    dl_iterate_phdr(find_next, &search);
    rw_dlsym_real = (void *(*)(void *, const char *))search.found;
}

void rw_dlsym_seen(void *handle, const char *name)
{
    if (!rw_dlsym_real)
        find_real();
    void (*seen)(void *, const char *) = __atomic_load_n(&watcher, __ATOMIC_ACQUIRE);
    if (!seen)
        __atomic_store_n(&rw_dlsym_is_watched, 0, __ATOMIC_RELEASE);
    else if (name && name[0] == 'P' && name[1] == 'y')
        seen(handle, name);
}

void rw_dlsym_watch(void (*seen)(void *handle, const char *name))
{
    if (!rw_dlsym_real)
        find_real();
    __atomic_store_n(&watcher, seen, __ATOMIC_RELEASE);
    __atomic_store_n(&rw_dlsym_is_watched, seen != NULL, __ATOMIC_RELEASE);
}
