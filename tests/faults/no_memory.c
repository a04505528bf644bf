/* SPDX-License-Identifier: MIT */
/* For LD_PRELOAD: the racewatch program, and nobody else, runs out of memory. NO_MEMORY="FROM:COUNT" fails as
 * many of its allocations, from that one on. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *before, size_t size);

static unsigned long made, from, to;

__attribute__((constructor)) static void begin(void)
{
    const char *given = getenv("NO_MEMORY");
    unsigned long count;
    if (strcmp(program_invocation_short_name, "racewatch") == 0 && given &&
        sscanf(given, "%lu:%lu", &from, &count) == 2)
        to = from + count;
    made = 0;
}

static int fails(void)
{
    unsigned long number = ++made;
    if (number < from || number >= to)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *before, size_t size)
{
    return fails() ? NULL : __libc_realloc(before, size);
}
