/* SPDX-License-Identifier: MIT */
/* Libraries that see others than the program does: in a namespace of their own, by RTLD_DEEPBIND, from
 * RTLD_NEXT; and programs whose functions are all bound at once. */
#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/conformance/behaviour.h"

typedef int mutex_call(pthread_mutex_t *);

static mutex_call *find(void *where, const char *name)
{
    return where ? (mutex_call *)dlsym(where, name) : NULL;
}

/* A mutex is the same to both libcs, but for whose thread it is. */
static void tell_lock(const char *name, void *where)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    mutex_call *lock = find(where, "pthread_mutex_lock"), *unlock = find(where, "pthread_mutex_unlock");
    tell(name, lock && unlock);
    if (!lock || !unlock)
        return;
    tell(" lock", lock(&mutex));
    tell(" trylock by the program", pthread_mutex_trylock(&mutex));
    tell(" unlock", unlock(&mutex));
    tell(" trylock by the program", pthread_mutex_trylock(&mutex));
    tell(" unlock", pthread_mutex_unlock(&mutex));
}

static int count(struct dl_phdr_info *info, size_t size, void *counted)
{
    (void)size;
    *(int *)counted += strstr(info->dlpi_name, "libm.so.6") != NULL;
    return 0;
}

static void tell_namespace(void)
{
    Lmid_t number = -1;
    int counted = 0;
    void *libm = dlmopen(LM_ID_NEWLM, "libm.so.6", RTLD_NOW);
    tell("dlmopen, a new namespace",
         libm && dlinfo(libm, RTLD_DI_LMID, &number) == 0 && number != LM_ID_BASE);
    void *libc = libm ? dlmopen(number, "libc.so.6", RTLD_NOW) : NULL;
    tell_lock("dlmopen of a second libc", libc);
    dl_iterate_phdr(count, &counted);
    tell("what the program sees of it", counted);
    tell("dlmopen of none", dlmopen(LM_ID_NEWLM, "libnone.so.99", RTLD_NOW) != NULL);
    tell(" dlerror", dlerror() != NULL);
    tell("dlclose", libc ? dlclose(libc) : -1);
    tell(" and the other", libm ? dlclose(libm) : -1);
}

static void tell_bound_at_once(const char *self)
{
    pid_t pid = fork();
    if (pid == 0) {
        setenv("LD_BIND_NOW", "1", 1);
        execl(self, self, "status", (char *)NULL);
        _exit(1);
    }
    tell("bound at once", status_of(pid));
}

void tell_namespaces(const char *self)
{
    tell_lock("RTLD_NEXT of the program", RTLD_NEXT);
    tell_namespace();
    void *deep = dlopen("libm.so.6", RTLD_NOW | RTLD_DEEPBIND);
    double (*root)(double) = deep ? (double (*)(double))dlsym(deep, "sqrt") : NULL;
    tell("dlopen, RTLD_DEEPBIND", root ? (long)root(49) : -1);
    tell(" dlclose", deep ? dlclose(deep) : -1);
    tell("dlopen of the program itself", dlopen(NULL, RTLD_LAZY) != NULL);
    tell_bound_at_once(self);
}
