/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/demangle.h"

#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include <libiberty/demangle.h>

/* Where the name ends that the source has: before the linker's version, "pthread_cond_wait@@GLIBC_2.3.2", and
 * before the compiler's marks of copies and parts, "acquire_timed.lto_priv.0". */
static size_t plain_length(const char *symbol)
{
    static const char *const marks[] = {".lto_priv.", ".constprop.", ".part.", ".isra.", ".cold"};
    size_t length = strcspn(symbol, "@");

    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        const char *mark = strstr(symbol, marks[i]);
        if (mark && (size_t)(mark - symbol) < length && mark > symbol)
            length = (size_t)(mark - symbol);
    }
    return length;
}

char *rw_demangle(void *ctx, const char *symbol)
{
    char *name = talloc_strndup(ctx, symbol, plain_length(symbol)), *plain = NULL;

    if (!name || name[0] != '_' || (name[1] != 'R' && name[1] != 'Z'))
        return name;
    /* Rust before C++: its older names are valid C++ ones with a hash behind. */
    plain = rust_demangle(name, DMGL_NO_OPTS);
    if (!plain)
        plain = cplus_demangle_v3(name, DMGL_PARAMS | DMGL_ANSI | DMGL_RET_DROP);
    if (!plain)
        return name;
    talloc_free(name);
    name = talloc_strdup(ctx, plain);
    free(plain);
    return name;
}
