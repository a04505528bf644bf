/* SPDX-License-Identifier: MIT */
/* Preloaded into a program that looks at another one: counts its reads of that one's memory, and says on
 * stderr at its end how many there were and how many bytes they brought. */
#include <dlfcn.h>
#include <stdio.h>
#include <sys/uio.h>

static unsigned long reads, bytes;

ssize_t process_vm_readv(pid_t pid, const struct iovec *to, unsigned long to_count, const struct iovec *from,
                         unsigned long from_count, unsigned long flags)
{
    static ssize_t (*real)(pid_t, const struct iovec *, unsigned long, const struct iovec *, unsigned long,
                           unsigned long);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "process_vm_readv");
    ssize_t result = real(pid, to, to_count, from, from_count, flags);
    reads++;
    if (result > 0)
        bytes += (unsigned long)result;
    return result;
}

__attribute__((destructor)) static void say(void)
{
    fprintf(stderr, "reads %lu bytes %lu\n", reads, bytes);
}
