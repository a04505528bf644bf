/* SPDX-License-Identifier: MIT */
#include "shim/dlsym_watch.h"

#include <dlfcn.h>
#include <stddef.h>

/* Read by dlsym_entry.S. Not 0 until the real dlsym has been found, and while somebody watches. */
unsigned char rw_dlsym_is_watched = 1;
void *(*rw_dlsym_real)(void *, const char *);

/* Called by dlsym_entry.S. */
void rw_dlsym_seen(void *handle, const char *name);

static void (*watcher)(void *handle, const char *name);

/* As RTLD_NEXT finds it. By version, for our own has none, which dlvsym does not take; and this version is
 * what the shim needs of libc anyway: a lookup that succeeds allocates nothing (dlfcn/dlerror.c, since 2.34),
 * and we may be inside of malloc. Not by dl_iterate_phdr: a sanitizer's asks dlsym for the functions that it
 * stands before, and has none of them yet. */
static void find_real(void)
{
    rw_dlsym_real = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
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
